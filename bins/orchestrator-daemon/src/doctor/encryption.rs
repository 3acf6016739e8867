//! TLS: whether the files can be used, who may read the key, and until when the certificate holds.

use std::path::Path;

use orchestrator_gateway::{Tls, TlsFiles};
use orchestrator_vocab::{Clock as _, SystemClock, Timestamp};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::Finding;
use super::files::{mode, owner};
use crate::config::Config;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// Who renews by hand needs a while; who renews by a program does it a month before the end.
const ENDS_SOON_MS: i64 = 30 * DAY_MS;

pub(super) fn findings(config: &Config) -> Vec<Finding> {
    let (Some(certificate), Some(key)) = (config.tls.cert.clone(), config.tls.key.clone()) else {
        return vec![none(config)];
    };
    let mut findings = vec![pair(TlsFiles { certificate: certificate.clone(), key: key.clone() })];
    findings.extend(key_mode(&key));
    // What cannot be read has been said already.
    findings.extend(chain(&certificate).as_deref().and_then(|chain| validity(&certificate, chain, SystemClock.now())));
    findings
}

fn none(config: &Config) -> Finding {
    match config.daemon.host.is_loopback() {
        true => Finding::ok("encryption", "none, and none needed: only this machine is listened to"),
        false => Finding::warning(
            "encryption",
            format!("{} is listened to without TLS: tokens travel in the clear", config.daemon.host),
            "set tls.cert and tls.key, or leave TLS to a proxy and let nobody else reach the port",
        ),
    }
}

fn pair(files: TlsFiles) -> Finding {
    let shown = format!("{} and {}", files.certificate.display(), files.key.display());
    match Tls::load(files) {
        Ok(_) => Finding::ok("encryption", format!("{shown} belong together")),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            let remedy =
                "give a certificate chain and its key, both as PEM, and readable for the user that runs the daemon";
            Finding::failure("encryption", format!("{shown}: {error}{cause}"), remedy)
        }
    }
}

/// A group of its own for programs that serve TLS is common; everybody is not.
fn key_mode(key: &Path) -> Option<Finding> {
    let (mode, shown) = (mode(key)?, key.display());
    let owner = owner(key).unwrap_or_default();
    let remedy = format!(
        "chmod 600 {shown} (it belongs to user {owner}); if somebody may have read it, replace key and certificate"
    );
    Some(match mode & 0o077 {
        0 => Finding::ok("TLS key", format!("{shown} is for its owner only")),
        0o040 => Finding::warning("TLS key", format!("{shown} can be read by its group (mode {mode:o})"), remedy),
        _ => Finding::failure("TLS key", format!("{shown} can be used by others (mode {mode:o})"), remedy),
    })
}

fn chain(path: &Path) -> Option<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(path).ok()?.collect::<Result<_, _>>().ok()
}

/// The chain holds as long as the one of it that ends first.
fn validity(path: &Path, chain: &[CertificateDer<'_>], now: Timestamp) -> Option<Finding> {
    let shown = path.display();
    let mut spans = Vec::new();
    for certificate in chain {
        let Ok((_, certificate)) = x509_parser::parse_x509_certificate(certificate) else {
            let found = format!("{shown} holds what is no certificate");
            return Some(Finding::failure("certificate", found, "ask who issued it for the chain as PEM"));
        };
        let validity = certificate.validity();
        spans.push((millis(validity.not_before.timestamp()), millis(validity.not_after.timestamp())));
    }
    let from = spans.iter().map(|(from, _)| *from).max()?;
    let until = spans.iter().map(|(_, until)| *until).min()?;
    let renew = "renew it and replace both files, the key first: the daemon takes them up without a restart";
    let days = (until.millis() - now.millis()) / DAY_MS;
    Some(if now < from {
        Finding::failure(
            "certificate",
            format!("{shown} holds only from {from} on"),
            "see that the clock is right, or wait",
        )
    } else if until <= now {
        Finding::failure("certificate", format!("{shown} ended at {until}: clients turn away"), renew)
    } else if until.millis() - now.millis() < ENDS_SOON_MS {
        Finding::warning("certificate", format!("{shown} ends in {days} days, at {until}"), renew)
    } else {
        Finding::ok("certificate", format!("{shown} holds for {days} more days"))
    })
}

fn millis(seconds: i64) -> Timestamp {
    Timestamp(seconds.saturating_mul(1_000))
}
