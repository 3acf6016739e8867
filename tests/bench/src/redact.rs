use std::fmt::Write as _;
use std::time::Instant;

use orchestrator_redact::Redactor;
use secrecy::SecretString;

use crate::Scale;
use crate::figure::{Aim, Figure};

/// What a daemon with several providers, servers and databases has loaded.
const SECRETS: usize = 36;
/// A line in so many says a secret.
const SAID_EVERY: usize = 200;
const LINES: usize = 10_000;

/// How much text goes through the redactor: line by line as a log does it, and in one piece.
pub(crate) async fn measure(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    tokio::task::spawn_blocking(move || measured(scale)).await?
}

fn measured(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let secrets: Vec<String> = (0..SECRETS).map(secret).collect();
    let (text, said) = log(&secrets);
    let mut figures = Vec::new();
    for has_personal in [false, true] {
        let redactor = redactor(&secrets, has_personal);
        let mut found = 0;
        let lines =
            rate(scale, text.len(), || found += text.lines().filter(|line| is_redacted(&redactor, line)).count());
        anyhow::ensure!(found.is_multiple_of(said) && found > 0, "{found} lines were redacted, {said} say a secret");
        let whole = rate(scale, text.len(), || found += usize::from(is_redacted(&redactor, &text)));
        let (name, also) = if has_personal { (".personal", ", cards and accounts") } else { ("", "") };
        for (how, of, value) in [("lines", "line by line", lines), ("text", "in one piece", whole)] {
            let conditions = format!(
                "{LINES} lines of a log, {} kB, {of}; {SECRETS} secrets in all their forms, every pattern{also}; 1 line in {SAID_EVERY} says a secret",
                text.len() / 1_000
            );
            let figure = Figure::new(format!("redact.{how}{name}"), value, "MB/s", conditions);
            figures.push(figure.aiming(Aim::AtLeast(200.0)));
        }
    }
    Ok(figures)
}

fn is_redacted(redactor: &Redactor, text: &str) -> bool {
    matches!(redactor.redact(text), std::borrow::Cow::Owned(_))
}

/// Megabytes a second.
fn rate(scale: Scale, bytes: usize, mut pass: impl FnMut()) -> f64 {
    let passes = scale.of(100, 1);
    let started = Instant::now();
    for _ in 0..passes {
        pass();
    }
    (bytes * passes) as f64 / started.elapsed().as_secs_f64() / 1e6
}

fn redactor(secrets: &[String], has_personal: bool) -> Redactor {
    let builder = if has_personal { Redactor::builder().personal_data() } else { Redactor::builder() };
    let named = secrets.iter().enumerate();
    let with = |builder: orchestrator_redact::Builder, (number, secret): (usize, &String)| {
        builder.secret(&format!("secret-{number}"), &SecretString::from(secret.clone()))
    };
    named.fold(builder, with).build()
}

/// As operators choose them: words, and letters as generators make them.
fn secret(number: usize) -> String {
    match number % 3 {
        0 => format!("Correct-Horse-{number}-Battery/Staple"),
        1 => format!("{:016x}{:016x}", spread(number), spread(number + 1_000)),
        _ => format!("Zq{}+{:x}=", spread(number) % 1_000_000, spread(number + 2_000)),
    }
}

/// SplitMix64's last steps: letters need to look random, nothing more.
fn spread(number: usize) -> u64 {
    let mixed = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

/// What daemons log, and how many of its lines say a secret.
fn log(secrets: &[String]) -> (String, usize) {
    let (mut text, mut said) = (String::new(), 0);
    for line in 0..LINES {
        let id = spread(line);
        let _ =
            write!(text, "2026-03-0{}T12:{:02}:{:02}.{:06}Z ", 1 + line % 9, line / 60 % 60, line % 60, id % 1_000_000);
        let _ = match line % 4 {
            0 => write!(
                text,
                "INFO orchestrator_tasks: task completed task=task_{id:032x} agent=coder-{} attempts=1",
                line % 9
            ),
            1 => write!(
                text,
                "DEBUG rpc.call{{method=task.list org=local}} orchestrator_gateway: answered in {} us, {} bytes",
                id % 9_000,
                id % 70_000
            ),
            2 => write!(
                text,
                r#"INFO tool.call{{tool=http.fetch}} "GET https://api.example.com/v1/items/{}?page={}" status=200 trace={id:032x}"#,
                id % 4_096,
                line % 50
            ),
            _ => write!(
                text,
                "WARN orchestrator_models: provider=anthropic busy, asked again in {} ms: too many requests (request {id:x})",
                id % 5_000
            ),
        };
        if line.is_multiple_of(SAID_EVERY) {
            said += 1;
            let _ = write!(text, " password={}", secrets[line / SAID_EVERY % secrets.len()]);
        }
        text.push('\n');
    }
    (text, said)
}
