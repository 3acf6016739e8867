//! Keys that are known by their shape. They are put together here, so that no scanner takes this file for a leak.

use orchestrator_redact::Redactor;

const BODY: &str = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8";

#[track_caller]
fn check(text: &str, expected: &str) {
    let redactor = Redactor::default();
    assert_eq!(redactor.redact(text), expected);
    for size in [1, 7, 300] {
        let letters: Vec<char> = text.chars().collect();
        let mut stream = redactor.stream();
        let mut out: String =
            letters.chunks(size).map(|piece| stream.push(&piece.iter().collect::<String>())).collect();
        out += &stream.finish();
        assert_eq!(out, expected, "in pieces of {size}");
    }
}

#[test]
fn keys_of_providers_are_found() {
    let capitals = "ABCDEFGH12345678";
    for (parts, name) in [
        (["sk", "-", BODY], "openai-key"),
        (["sk", "-proj-", BODY], "openai-key"),
        (["sk", "-ant-api03-", BODY], "anthropic-key"),
        (["gh", "p_", BODY], "github-token"),
        (["github", "_pat_", BODY], "github-token"),
        (["xo", "xb-", BODY], "slack-token"),
        (["AK", "IA", capitals], "aws-key"),
        (["AI", "za", BODY], "google-key"),
        (["or", "c_", BODY], "api-key"),
    ] {
        let key = parts.concat();
        check(&format!("key={key}."), &format!("key=[redacted:{name}]."));
        check(&key, &format!("[redacted:{name}]"));
        check(&format!("{{\"error\":\"\\n{key}\"}}"), &format!("{{\"error\":\"\\n[redacted:{name}]\"}}"));
        check(&format!("?key%3D{key}&x"), &format!("?key%3D[redacted:{name}]&x"));
        let long = format!("{key}{}", "x9".repeat(200).to_uppercase());
        check(&format!("({long})"), &format!("([redacted:{name}])"));
    }
}

#[test]
fn tokens_are_found() {
    let jwt = ["eyJ", "hbGciOiJIUzI1NiJ9", ".", "eyJzdWIiOiIxMjM0In0", ".", "c2lnbmF0dXJlX2hlcmU"].concat();
    check(&format!("token {jwt} expired"), "token [redacted:jwt] expired");
    check(&format!("Authorization: Bearer {BODY}\r\n"), "Authorization: Bearer [redacted:bearer-token]\r\n");
    check(&format!("authorization: bearer {jwt}"), "authorization: bearer [redacted:bearer-token]");
}

#[test]
fn passwords_in_urls_are_found() {
    check("postgres://app:pass@db:5432/x?y", "postgres://app:[redacted:password]@db:5432/x?y");
    check("redis://:p@ss:w0rd@cache", "redis://:[redacted:password]@cache");
    check("\"amqp:\\/\\/u:pass@h\\/v\"", "\"amqp:\\/\\/u:[redacted:password]@h\\/v\"");
    check(
        "see http://[::1]:8787/a@b:c and http://localhost:80, http://me@x",
        "see http://[::1]:8787/a@b:c and http://localhost:80, http://me@x",
    );
}

#[test]
fn private_keys_are_found_whole_and_cut() {
    let (begin, end) =
        (["-----BEGIN RSA ", "PRIVATE KEY-----"].concat(), ["-----END RSA ", "PRIVATE KEY-----"].concat());
    check(&format!("a {begin}\nMIIE+/=\nAbCd\n{end} b"), "a [redacted:private-key] b");
    check(&format!("\"{begin}\\nMIIE\\n{end}\\n\""), "\"[redacted:private-key]\\n\"");
    check(&format!("{begin}\nMIIEabc"), "[redacted:private-key]");
    check(
        "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
    );
    let huge = format!("{begin}\n{}", "MIIEabcd".repeat(1_200));
    check(&format!("{huge}!"), "[redacted:private-key]!");
}

#[test]
fn innocent_text_stays() {
    for text in [
        "task_018f3a5b7c9d4e1f8a2b3c4d5e6f7a8b",
        "task-0123456789-0123456789-0123456789",
        "sk-loading-indicator-with-a-long-name",
        "the bearer authentication-is-required",
        "AKIA is a prefix, AIza too; eyJ is {\" in Base64",
        "commit 5e8f0b6d1c2a3f4e5d6c7b8a9f0e1d2c3b4a5968",
        "/srv/disk-0/risk-assessment-2024-report-final.pdf",
        "-----BEGIN",
    ] {
        check(text, text);
    }
}

#[test]
fn work_grows_with_the_text_only() {
    // Each of these costs minutes if every beginning walks over the rest of the text.
    let redactor = Redactor::default();
    for part in ["eyJ", "eyJ.", "sk-", "-----BEGIN PRIVATE KEY-----.", "://:", "Bearer ", "AKIA"] {
        let text = part.repeat(300_000 / part.len());
        assert!(redactor.redact(&text).len() <= text.len());
    }
}
