//! The ways in which a secret is written down by programs that do not know that it is one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Lines of a secret of several lines (a key file) are looked for on their own from this length on.
const LINE_LENGTH_MIN: usize = 16;

/// Every form of the secret, without duplicates.
pub(crate) fn of(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned()];
    forms.extend(escaped(secret));
    forms.extend(percent_encoded(secret));
    forms.extend([hex(secret, HEX_LOWER), hex(secret, HEX_UPPER)]);
    forms.extend(base64(secret));
    let lines =
        secret.lines().map(str::trim).filter(|line| line.len() >= LINE_LENGTH_MIN && !line.starts_with("-----"));
    forms.extend(lines.filter(|line| *line != secret).map(str::to_owned));
    forms.sort_unstable();
    forms.dedup();
    forms
}

/// As JSON (also within JSON, with `\/`, and in ASCII only), and as Rust's `Debug` prints it.
fn escaped(secret: &str) -> [String; 6] {
    let json = json(secret);
    let ascii = |digits| json.chars().map(|letter| ascii_only(letter, digits)).collect::<String>();
    [
        json.replace('/', "\\/"),
        self::json(&json),
        ascii(HEX_LOWER),
        ascii(HEX_UPPER),
        secret.escape_debug().to_string(),
        json.clone(),
    ]
}

fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn ascii_only(letter: char, digits: &[u8; 16]) -> String {
    if letter.is_ascii() {
        return letter.to_string();
    }
    let mut units = [0; 2];
    let units = letter.encode_utf16(&mut units).iter();
    units.map(|unit| format!("\\u{}", hex_of(&unit.to_be_bytes(), digits))).collect()
}

/// Strictly, twice, as browsers do it for whole addresses, for forms, and byte for byte.
fn percent_encoded(secret: &str) -> Vec<String> {
    let strict = |letter: u8| letter.is_ascii_alphanumeric() || b"-_.~".contains(&letter);
    let component = |letter: u8| strict(letter) || b"!*'()".contains(&letter);
    let address = |letter: u8| component(letter) || b";/?:@&=+$,#".contains(&letter);
    let mut forms = Vec::new();
    for digits in [HEX_LOWER, HEX_UPPER] {
        let once = percent(secret, digits, strict);
        forms.push(percent(&once, digits, strict));
        forms.push(once.replace("%20", "+"));
        forms.push(once);
        forms.push(percent(secret, digits, component));
        forms.push(percent(secret, digits, address));
        forms.push(percent(secret, digits, |_| false));
    }
    forms
}

fn percent(text: &str, digits: &[u8; 16], stays: impl Fn(u8) -> bool) -> String {
    let mut encoded = String::new();
    let mut letter_bytes = [0; 4];
    for letter in text.chars() {
        let bytes = letter.encode_utf8(&mut letter_bytes).as_bytes();
        if letter.is_ascii() && stays(bytes[0]) {
            encoded.push(letter);
        } else {
            bytes.iter().for_each(|byte| encoded.extend(["%", &hex_of(&[*byte], digits)]));
        }
    }
    encoded
}

/// What is certain of the Base64 of any text that contains the secret, for the three ways in which the secret can
/// lie across the groups of three bytes. The letters at either end depend on the neighbours and are left out.
fn base64(secret: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for (before, uncertain) in [(0, 0), (1, 2), (2, 3)] {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(secret.as_bytes());
        let certain = bytes.len() * 8 / 6;
        let encoded = STANDARD_NO_PAD.encode(&bytes);
        let standard = encoded[uncertain..certain].to_owned();
        forms.push(standard.replace('+', "-").replace('/', "_"));
        // Encoded once more on its way through JSON or an address.
        forms.push(standard.replace('/', "\\/"));
        for digits in [HEX_LOWER, HEX_UPPER] {
            forms.push(percent(&standard, digits, |letter| letter.is_ascii_alphanumeric()));
        }
        forms.push(standard);
    }
    forms
}

const HEX_LOWER: &[u8; 16] = b"0123456789abcdef";
const HEX_UPPER: &[u8; 16] = b"0123456789ABCDEF";

fn hex(text: &str, digits: &[u8; 16]) -> String {
    hex_of(text.as_bytes(), digits)
}

fn hex_of(bytes: &[u8], digits: &[u8; 16]) -> String {
    let digit = |value: u8| char::from(digits[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
