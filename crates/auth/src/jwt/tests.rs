use hmac::{Hmac, KeyInit as _, Mac as _};
use orchestrator_vocab::PausedClock;
use secrecy::ExposeSecret as _;
use serde_json::json;
use sha2::Sha256;
use tokio::time::advance;

use super::*;
use crate::{Algorithm, Secret};

const SECRET: &str = "a secret of the tests, 32 bytes or more";
/// In seconds.
const NOW: u64 = 1_800_000_000;
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn issuer() -> Issuer {
    let clock = Arc::new(PausedClock::at(moment(NOW)));
    Issuer::new(&Secret::new(SECRET).unwrap(), Lifetime::default(), clock)
}

fn grant(scopes: Scopes) -> Grant {
    Grant { org: OrgId::LOCAL, subject: "alice".to_owned(), scopes, lifetime: None }
}

fn claims() -> Value {
    json!({
        "iss": DAEMON, "aud": DAEMON, "sub": "alice", "org": OrgId::LOCAL, "scope": "daemon.read", "jti": "t1",
        "iat": NOW, "nbf": NOW, "exp": NOW + 60,
    })
}

fn signed_with(secret: &str, header: &str, payload: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(&message);
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn signed(header: &str, payload: &str) -> String {
    signed_with(SECRET, header, payload)
}

fn with(name: &str, value: Value) -> String {
    let mut claims = claims();
    claims[name] = value;
    signed(HEADER, &claims.to_string())
}

#[track_caller]
fn refused(token: &str, expected: &Refusal) {
    match (issuer().verify(token), expected) {
        (Err(Refusal::Claims(_)), Refusal::Claims(_)) => {}
        (outcome, expected) => assert_eq!(outcome, Err(expected.clone()), "{token}"),
    }
}

fn wrong_claims() -> Refusal {
    Refusal::Claims(String::new())
}

#[test]
fn the_signature_is_the_one_of_the_standard() {
    // RFC 7515, appendix A.1: HS256 over these exact bytes with this key.
    let key = URL_SAFE_NO_PAD
        .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
        .unwrap();
    let message = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
                   eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let issuer =
        Issuer::new(&Secret::new(key).unwrap(), Lifetime::default(), Arc::new(orchestrator_vocab::SystemClock));
    let signature = URL_SAFE_NO_PAD.decode("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
    assert!(issuer.signer(message, &signature).is_some());
}

#[tokio::test(start_paused = true)]
async fn what_was_issued_verifies() {
    let issuer = issuer();
    let issued = issuer.issue(&grant(Scope::Write.into()));
    let verified = issuer.verify(issued.token.expose_secret()).unwrap();
    assert_eq!((verified.org, verified.subject.as_str()), (OrgId::LOCAL, "alice"));
    assert_eq!((verified.scopes, verified.id), (Scope::Write.into(), issued.id));
    assert_eq!(issued.expires_at, Some(moment(NOW + 24 * 3_600)));
    assert_eq!(verified.ends_at, moment(NOW + 24 * 3_600 + 30));
    assert!(!format!("{:?}", issued.token).contains(issued.token.expose_secret()));
}

#[tokio::test(start_paused = true)]
async fn tokens_made_elsewhere_with_the_secret_are_accepted() {
    assert!(issuer().verify(&signed(HEADER, &claims().to_string())).is_ok());
    assert!(issuer().verify(&signed(r#"{ "alg": "HS256" }"#, &claims().to_string())).is_ok());
    assert!(issuer().verify(&with("email", json!("alice@example.org"))).is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_empty_scope_means_nothing_and_foreign_scopes_are_ignored() {
    assert_eq!(issuer().verify(&with("scope", json!(""))).unwrap().scopes, Scopes::NONE);
    assert_eq!(issuer().verify(&with("scope", json!("openid admin *"))).unwrap().scopes, Scopes::NONE);
    assert_eq!(issuer().verify(&with("scope", json!("openid daemon.read"))).unwrap().scopes, Scope::Read.into());
}

#[tokio::test(start_paused = true)]
async fn no_algorithm_and_other_algorithms_are_refused() {
    let payload = claims().to_string();
    let unsigned = |header: &str| format!("{}.{}.", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(&payload));
    refused(&unsigned(r#"{"alg":"none"}"#), &Refusal::Signature);
    refused(&unsigned(HEADER), &Refusal::Signature);
    for alg in ["none", "None", "NONE", "hs256", "HS384", "HS512", "RS256", "ES256", "EdDSA", "", "HS256 "] {
        refused(&signed(&format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#), &payload), &Refusal::Header);
    }
}

#[tokio::test(start_paused = true)]
async fn headers_with_anything_else_in_them_are_refused() {
    let payload = claims().to_string();
    for header in [
        r#"{"alg":"HS256","kid":"../../dev/null"}"#,
        r#"{"alg":"HS256","jku":"https://evil.example/keys"}"#,
        r#"{"alg":"HS256","jwk":{"kty":"oct","k":"AA"}}"#,
        r#"{"alg":"HS256","x5u":"https://evil.example/cert"}"#,
        r#"{"alg":"HS256","x5c":[]}"#,
        r#"{"alg":"HS256","crit":["exp"]}"#,
        r#"{"alg":"HS256","b64":false}"#,
        r#"{"alg":"HS256","zip":"DEF"}"#,
        r#"{"alg":"HS256","typ":"at+jwt"}"#,
        r#"{"alg":"HS256","typ":null}"#,
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","\u0061lg":"HS256"}"#,
        r#"{"alg":["HS256"]}"#,
        r#"["HS256","JWT"]"#,
        r#"{"alg":"HS256"}{}"#,
        r#""HS256""#,
        "{}",
        "",
    ] {
        refused(&signed(header, &payload), &Refusal::Header);
    }
}

#[tokio::test(start_paused = true)]
async fn every_claim_is_required_and_typed() {
    for name in ["iss", "aud", "sub", "org", "scope", "jti", "iat", "nbf", "exp"] {
        let mut without = claims();
        without.as_object_mut().unwrap().remove(name);
        refused(&signed(HEADER, &without.to_string()), &wrong_claims());
        for value in [json!(null), json!([claims()[name]]), json!({}), json!(true), json!(1.5), json!(-1)] {
            refused(&with(name, value), &wrong_claims());
        }
    }
    for name in ["iat", "nbf", "exp"] {
        for value in [json!((NOW + 60).to_string()), json!(18_446_744_073_709_551_616_f64), json!(1_800_000_030.0)] {
            refused(&with(name, value), &wrong_claims());
        }
    }
    for (name, value) in [
        ("org", json!("org_1")),
        ("org", json!("ORG_00000000000070008000000000000001")),
        ("sub", json!("")),
        ("sub", json!("a\nb")),
        ("sub", json!("x".repeat(201))),
        ("jti", json!("")),
        ("exp", json!(u64::MAX)),
        ("nbf", json!(NOW + 61)),
    ] {
        refused(&with(name, value), &wrong_claims());
    }
}

#[tokio::test(start_paused = true)]
async fn duplicate_claims_and_claims_that_are_no_object_are_refused() {
    let claims = claims().to_string();
    let inside = claims.trim_start_matches('{');
    refused(&signed(HEADER, &format!(r#"{{"scope":"daemon.admin",{inside}"#)), &wrong_claims());
    refused(&signed(HEADER, &format!(r#"{{"\u0073cope":"daemon.admin",{inside}"#)), &wrong_claims());
    refused(&signed(HEADER, &format!(r#"{{"x":1,"x":1,{inside}"#)), &wrong_claims());
    refused(&signed(HEADER, &format!("{claims}{claims}")), &wrong_claims());
    refused(&signed(HEADER, &format!("[{claims}]")), &wrong_claims());
    let list = json!([DAEMON, DAEMON, "alice", OrgId::LOCAL, "daemon.read", "t1", NOW, NOW, NOW + 60]);
    refused(&signed(HEADER, &list.to_string()), &wrong_claims());
}

#[tokio::test(start_paused = true)]
async fn other_issuers_and_audiences_are_refused() {
    for name in ["iss", "aud"] {
        for value in ["", "orchestrator", "Orchestrator-Daemon", "orchestrator-daemon "] {
            refused(&with(name, json!(value)), &Refusal::Audience);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_counts_from_30_seconds_before_to_30_seconds_after() {
    let token = |nbf: u64, exp: u64| {
        let mut claims = claims();
        (claims["iat"], claims["nbf"], claims["exp"]) = (json!(nbf), json!(nbf), json!(exp));
        signed(HEADER, &claims.to_string())
    };
    assert!(issuer().verify(&token(NOW - 90, NOW - 29)).is_ok());
    refused(&token(NOW - 90, NOW - 30), &Refusal::Expired);
    assert!(issuer().verify(&token(NOW + 30, NOW + 60)).is_ok());
    refused(&token(NOW + 31, NOW + 60), &Refusal::Early);
    refused(&with("iat", json!(NOW + 31)), &Refusal::Early);
}

#[tokio::test(start_paused = true)]
async fn a_token_ends_while_time_goes_by() {
    let issuer = issuer();
    let token = signed(HEADER, &claims().to_string());
    advance(Duration::from_millis(89_999)).await;
    assert!(issuer.verify(&token).is_ok());
    advance(Duration::from_millis(1)).await;
    assert_eq!(issuer.verify(&token), Err(Refusal::Expired));
}

#[tokio::test(start_paused = true)]
async fn only_the_canonical_spelling_of_a_token_is_accepted() {
    let token = signed(HEADER, &claims().to_string());
    // 32 bytes leave four unused bits in the last of 43 characters: three other spellings decode to the same bytes.
    let last = token.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let index = alphabet.find(last).unwrap();
    for other in alphabet[index + 1..index + 4].chars() {
        refused(&format!("{}{other}", &token[..token.len() - 1]), &Refusal::Form);
    }
    for spelling in [format!("{token}="), format!("{token}\n"), format!(" {token}"), token.replacen('.', "=.", 1)] {
        refused(&spelling, &Refusal::Form);
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_truncated_and_missing_signatures_are_refused() {
    let payload = claims().to_string();
    let token = signed(HEADER, &payload);
    let (message, signature) = token.rsplit_once('.').unwrap();
    for length in [0, 4, 8, 16, 40] {
        refused(&format!("{message}.{}", &signature[..length]), &Refusal::Signature);
    }
    refused(&format!("{message}.{signature}AAAA"), &Refusal::Signature);
    refused(message, &Refusal::Form);
    refused(&signed_with("another secret, also 32 bytes or more", HEADER, &payload), &Refusal::Signature);
    refused(&signed_with("", HEADER, &payload), &Refusal::Signature);
    for text in ["", ".", "..", "...", "a.b", "null", "é.é.é", &"a.".repeat(100)] {
        assert!(issuer().verify(text).is_err(), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_payload_is_refused() {
    let token = signed(HEADER, &claims().to_string());
    let parts: Vec<&str> = token.split('.').collect();
    let payload = claims().to_string().replace("daemon.read", "daemon.admin");
    refused(&format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(payload), parts[2]), &Refusal::Signature);
}

#[tokio::test(start_paused = true)]
async fn tokens_over_8_kilobytes_are_not_looked_at() {
    refused(&with("x", json!("x".repeat(8_192))), &Refusal::Length);
    assert!(issuer().verify(&with("x", json!("x".repeat(5_000)))).is_ok());
}

#[tokio::test(start_paused = true)]
async fn secrets_rotate_without_a_restart() {
    let issuer = issuer();
    let (old, new) = (Secret::new(SECRET).unwrap(), Secret::new("the next secret, of 32 bytes or more").unwrap());
    let before = issuer.issue(&grant(Scopes::ADMIN));
    issuer.rotate(Keys { current: (&new).into(), previous: vec![(&old).into()] });
    let after = issuer.issue(&grant(Scopes::ADMIN));
    assert!(issuer.verify(before.token.expose_secret()).is_ok());
    assert!(issuer.verify(after.token.expose_secret()).is_ok());
    issuer.rotate(&new);
    assert_eq!(issuer.verify(before.token.expose_secret()), Err(Refusal::Signature));
    assert!(issuer.verify(after.token.expose_secret()).is_ok());
}

fn ed25519() -> (SigningKey, Issuer) {
    let key = SigningKey::ed25519(&[7; 32]);
    let clock = Arc::new(PausedClock::at(moment(NOW)));
    (key.clone(), Issuer::new(key, Lifetime::default(), clock))
}

fn signed_by(key: &SigningKey, header: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims().to_string()));
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(key.sign(&message)))
}

#[tokio::test(start_paused = true)]
async fn with_an_ed25519_key_tokens_are_eddsa_and_nothing_else() {
    let (key, issuer) = ed25519();
    let issued = issuer.issue(&grant(Scope::Write.into()));
    assert_eq!(issuer.verify(issued.token.expose_secret()).unwrap().id, issued.id);
    for header in [r#"{"alg":"EdDSA"}"#, r#"{"alg":"EdDSA","typ":"JWT"}"#] {
        assert!(issuer.verify(&signed_by(&key, header)).is_ok(), "{header}");
    }
    for alg in ["none", "HS256", "Ed25519", "eddsa", "ES256", ""] {
        let token = signed_by(&key, &format!(r#"{{"alg":"{alg}"}}"#));
        assert_eq!(issuer.verify(&token), Err(Refusal::Header), "{alg}");
    }
    // The classic confusion: what everybody knows of the key, used as the secret of an HMAC.
    let x = key.public().unwrap().x;
    for secret in [URL_SAFE_NO_PAD.decode(&x).unwrap(), x.into_bytes()] {
        for alg in ["HS256", "EdDSA"] {
            let forged = SigningKey::from_material(Algorithm::Hs256, &secret).unwrap();
            assert_eq!(issuer.verify(&signed_by(&forged, &format!(r#"{{"alg":"{alg}"}}"#))), Err(Refusal::Signature));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_id_is_that_of_the_key_that_signed_or_absent() {
    let (eddsa, hs256) = (SigningKey::ed25519(&[7; 32]), SigningKey::from(&Secret::new(SECRET).unwrap()));
    let clock = Arc::new(PausedClock::at(moment(NOW)));
    let keys = Keys { current: eddsa.clone(), previous: vec![hs256.clone()] };
    let issuer = Issuer::new(keys, Lifetime::default(), clock);
    for (key, other) in [(&eddsa, &hs256), (&hs256, &eddsa)] {
        let alg = key.algorithm().as_str();
        let with = |kid: &str| signed_by(key, &format!(r#"{{"alg":"{alg}","kid":{kid}}}"#));
        assert!(issuer.verify(&with(&format!("{:?}", key.id()))).is_ok());
        for kid in [&format!("{:?}", other.id()), "\"\"", "\"../../dev/null\"", "null", "7", "[\"a\"]"] {
            assert_eq!(issuer.verify(&with(kid)), Err(Refusal::Header), "{kid}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_family_is_text_and_comes_back() {
    let issuer = issuer();
    let token = issuer.issue_in(Some("fam_1"), &grant(Scopes::ADMIN)).token;
    assert_eq!(issuer.verify(token.expose_secret()).unwrap().family.as_deref(), Some("fam_1"));
    for value in [json!(null), json!(1), json!(""), json!(["fam_1"])] {
        refused(&with("family", value), &wrong_claims());
    }
}

proptest::proptest! {
    #[test]
    fn no_other_text_verifies_than_the_one_that_was_signed(position: proptest::sample::Index, byte in 0_u8..128) {
        let clock = Arc::new(orchestrator_vocab::SystemClock);
        let issuer = Issuer::new(&Secret::new(SECRET).unwrap(), Lifetime::default(), clock);
        let token = issuer.issue(&grant(Scopes::ADMIN)).token.expose_secret().to_owned();
        let mut changed = token.clone().into_bytes();
        *position.get_mut(&mut changed) = byte;
        let changed = String::from_utf8(changed).unwrap();
        proptest::prop_assert_eq!(issuer.verify(&changed).is_ok(), changed == token);
    }
}
