//! What a redactor makes of a secret in its many forms, of keys by their shape, of JSON and of a stream.
//!
//! `cargo run -p orchestrator-examples --example redact`

use orchestrator_redact::Redactor;
use secrecy::SecretString;
use serde_json::json;

fn main() -> anyhow::Result<()> {
    let builder = Redactor::builder()
        .secret("database", &SecretString::from("correct horse / battery"))
        .secret("pin", &SecretString::from("1234"));
    for too_short in builder.too_short() {
        println!("warning: {too_short}");
    }
    let redactor = builder.build();

    // Put together here, so that no scanner takes this file for a leak.
    let provider_key = ["sk", "proj", "a1B2c3D4e5F6g7H8i9J0k1"].join("-");
    for text in [
        "nothing to see",
        "password: correct horse / battery",
        "?password=correct+horse+%2F+battery&page=2",
        "Authorization: Basic YXBwOmNvcnJlY3QgaG9yc2UgLyBiYXR0ZXJ5",
        "636f727265637420686f727365202f2062617474657279",
        "postgres://app:hunter2@db.internal/tasks",
        &format!("provider said: invalid key {provider_key}"),
    ] {
        println!("{}", redactor.redact(text));
    }

    redactor.add("session", &SecretString::from("made-at-run-time"))?;
    println!("{}", redactor.redact_json(json!({ "token": "made-at-run-time", "made-at-run-time": [1, true] })));

    let personal = Redactor::builder().personal_data().build();
    println!(
        "{}",
        personal.redact("card 4111 1111 1111 1111, account DE89 3704 0044 0532 0130 00, order 4111111111111112")
    );

    let mut stream = redactor.stream();
    for piece in ["The password is cor", "rect horse", " / bat", "tery. ", "Good bye."] {
        println!("{:?} gives {:?}", piece, stream.push(piece));
    }
    println!("the end gives {:?}", stream.finish());
    Ok(())
}
