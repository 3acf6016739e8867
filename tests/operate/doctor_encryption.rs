use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;

use crate::doctor::{chmod, doctor, severity, status};
use crate::place::Place;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const CONFIG: &str = r#"{"daemon": {"port": 0}, "tls": {"cert": "cert.pem", "key": "key.pem"}}"#;

#[expect(clippy::disallowed_methods, reason = "a certificate is judged by the clock of the machine")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// Writes `cert.pem` and `key.pem`; the certificate and its issuer's end so many days from now.
fn certify(place: &Place, days: i64, issuers_days: i64) -> anyhow::Result<()> {
    let from_now = |days: i64| {
        let span = DAY * u32::try_from(days.unsigned_abs()).expect("not so far away");
        if days < 0 { now() - span } else { now() + span }
    };
    let valid = |params: &mut CertificateParams, days: i64| {
        params.not_before = (now() - 1_000 * DAY).into();
        // A minute more, so that days are whole when somebody looks.
        params.not_after = (from_now(days) + Duration::from_secs(60)).into();
    };
    let mut issuer = CertificateParams::new(Vec::new())?;
    issuer.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    valid(&mut issuer, issuers_days);
    let issuer = CertifiedIssuer::self_signed(issuer, KeyPair::generate()?)?;
    let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
    valid(&mut params, days);
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    place.write("work/cert.pem", &format!("{}{}", certificate.pem(), issuer.pem()), 0o644)?;
    place.write("work/key.pem", &key.serialize_pem(), 0o600)?;
    place.write("work/tls.json", CONFIG, 0o644)?;
    Ok(())
}

async fn examined(place: &Place) -> (i32, Value) {
    let report = doctor(place, &["--config", "tls.json"]).await;
    (status(&report), report.document())
}

#[tokio::test]
async fn a_certificate_that_ended_or_ends_soon_is_found_also_in_the_middle_of_the_chain() -> anyhow::Result<()> {
    let place = Place::new()?;
    for (days, issuers_days, expected) in [
        (90, 900, (0, "ok")),
        (30, 900, (0, "ok")),
        (29, 900, (0, "warning")),
        (-1, 900, (1, "failure")),
        (90, 10, (0, "warning")),
        (90, -1, (1, "failure")),
    ] {
        certify(&place, days, issuers_days)?;
        let (status, report) = examined(&place).await;
        assert_eq!((status, severity(&report, "certificate")), expected, "{days}, {issuers_days}: {report}");
        assert_eq!(severity(&report, "encryption"), "ok", "they belong together");
    }
    Ok(())
}

#[tokio::test]
async fn a_certificate_that_does_not_hold_yet_is_found() -> anyhow::Result<()> {
    let place = Place::new()?;
    certify(&place, 90, 900)?;
    let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
    params.not_before = (now() + DAY).into();
    params.not_after = (now() + 300 * DAY).into();
    let key = KeyPair::generate()?;
    place.write("work/cert.pem", &params.self_signed(&key)?.pem(), 0o644)?;
    place.write("work/key.pem", &key.serialize_pem(), 0o600)?;
    let (status, report) = examined(&place).await;
    assert_eq!((status, severity(&report, "certificate")), (1, "failure"), "{report}");
    Ok(())
}

#[tokio::test]
async fn a_key_that_others_can_read_or_that_is_another_certificates_is_found() -> anyhow::Result<()> {
    let place = Place::new()?;
    certify(&place, 90, 900)?;
    for (mode, expected) in [(0o600, "ok"), (0o400, "ok"), (0o640, "warning"), (0o644, "failure"), (0o660, "failure")] {
        chmod(&place.path("work/key.pem"), mode);
        let (_, report) = examined(&place).await;
        assert_eq!(severity(&report, "TLS key"), expected, "{mode:o}: {report}");
    }
    place.write("work/key.pem", &KeyPair::generate()?.serialize_pem(), 0o600)?;
    let (status, report) = examined(&place).await;
    assert_eq!((status, severity(&report, "encryption")), (1, "failure"), "{report}");
    std::fs::remove_file(place.path("work/key.pem"))?;
    let (status, report) = examined(&place).await;
    assert_eq!((status, severity(&report, "encryption")), (1, "failure"), "not there: {report}");
    Ok(())
}
