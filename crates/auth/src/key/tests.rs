use super::*;

fn decoded(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// RFC 8037, appendix A.1.
fn of_the_standard() -> SigningKey {
    let seed = decoded("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    SigningKey::ed25519(&seed.try_into().unwrap())
}

#[test]
fn the_public_key_and_its_name_are_those_of_the_standard() {
    // RFC 8037, appendices A.2 and A.3.
    let public = of_the_standard().public().unwrap();
    assert_eq!(public.x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    assert_eq!(public.kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let json = serde_json::to_value(&public).unwrap();
    assert_eq!((&json["kty"], &json["crv"], &json["use"]), (&"OKP".into(), &"Ed25519".into(), &"sig".into()));
    assert_eq!(json.as_object().unwrap().len(), 6, "nothing private: {json}");
}

#[test]
fn the_signature_is_the_one_of_the_standard() {
    // RFC 8037, appendices A.4 and A.5.
    let message = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let key = of_the_standard();
    assert_eq!(URL_SAFE_NO_PAD.encode(key.sign(message)), signature);
    assert!(key.signed(message, &decoded(signature)));
    assert!(!key.signed(&message[1..], &decoded(signature)));
    assert!(!key.signed(message, &decoded(signature)[..63]));
}

#[test]
fn a_key_is_made_once_in_a_form_that_others_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jwt.ed25519.pem");
    let first = SigningKey::load_or_create_pem(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(SigningKey::load_or_create_pem(&path).unwrap(), first);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("-----BEGIN PRIVATE KEY-----\n") && text.lines().count() == 3, "three lines");
    assert_eq!(SigningKey::from_pem(&text).unwrap(), first);
    std::fs::write(&path, "nonsense").unwrap();
    assert!(SigningKey::load_or_create_pem(&path).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"nonsense");
}

#[test]
fn what_openssl_writes_is_read() {
    // RFC 8410, section 10.3: without and with the public key.
    let plain = "-----BEGIN PRIVATE KEY-----\n\
                 MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                 -----END PRIVATE KEY-----\n";
    let key = SigningKey::from_pem(plain).unwrap();
    assert_eq!(key.algorithm(), Algorithm::EdDsa);
    assert_eq!(URL_SAFE_NO_PAD.decode(key.public().unwrap().x).unwrap()[..3], [0x19, 0xbf, 0x44]);
    for wrong in ["", "-----BEGIN PRIVATE KEY-----\n", &plain.replace("K2Vw", "K2Vu"), &plain.replace("MC4C", "MC8C")] {
        assert!(SigningKey::from_pem(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn keys_are_told_apart_and_never_printed() {
    let (first, second) = (SigningKey::generate(Algorithm::Hs256), SigningKey::generate(Algorithm::Hs256));
    assert!(first != second && first.id() != second.id());
    assert_ne!(first.derive("a"), first.derive("b"));
    assert_ne!(first.derive("a"), second.derive("a"));
    assert!(first.public().is_none());
    let same_bytes = SigningKey::from_material(Algorithm::EdDsa, first.0.material.expose_secret()).unwrap();
    assert_ne!(first, same_bytes);
    assert_eq!(format!("{first:?}"), format!("SigningKey(HS256 {})", first.id()));
}
