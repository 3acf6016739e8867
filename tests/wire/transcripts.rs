//! The transcripts of `docs/wire.md`, word for word.

use std::collections::HashMap;

use anyhow::{Context as _, bail, ensure};
use orchestrator_testkit::{Daemon, Socket, shell};
use serde_json::{Value, json};

const DOCUMENT: &str = include_str!("../../docs/wire.md");

/// What one line of a transcript asks for.
#[derive(Debug)]
enum Line<'a> {
    Connect(Option<(&'a str, &'a str)>),
    Send(&'a str),
    Next(&'a str),
    SoonerOrLater(&'a str),
    Closed(u16),
}

fn parse(line: &str) -> anyhow::Result<Line<'_>> {
    let (mark, rest) = line.split_once(' ').with_context(|| format!("no mark: {line}"))?;
    Ok(match (mark, rest) {
        ("=", "connect") => Line::Connect(None),
        ("=", rest) => {
            let header = rest.strip_prefix("connect ").context("only `= connect`")?;
            Line::Connect(Some(header.split_once(": ").context("a header")?))
        }
        (">", rest) => Line::Send(rest),
        ("<~", rest) => Line::SoonerOrLater(rest),
        ("<", rest) => match rest.strip_prefix("close ") {
            Some(code) => Line::Closed(code.parse()?),
            None => Line::Next(rest),
        },
        _ => bail!("no such mark: {line}"),
    })
}

fn transcripts() -> Vec<Vec<&'static str>> {
    let blocks = DOCUMENT.split("```transcript\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap_or_default().lines().collect()).collect()
}

struct Replay<'a> {
    daemon: &'a Daemon,
    names: HashMap<String, Value>,
    socket: Option<Socket>,
    /// Came before what was waited for.
    waiting: Vec<Value>,
}

impl Replay<'_> {
    async fn line(&mut self, line: &str) -> anyhow::Result<()> {
        match parse(line)? {
            Line::Connect(header) => {
                let value = header.map(|(_, value)| self.filled(value)).transpose()?;
                let headers: Vec<_> =
                    header.iter().zip(&value).map(|((name, _), value)| (*name, value.as_str())).collect();
                let socket = Socket::open(self.daemon.url(), &headers).await;
                self.socket = Some(socket.map_err(|refused| anyhow::anyhow!("{refused:?}"))?);
                self.waiting.clear();
            }
            Line::Send(text) => {
                let text = self.filled(text)?;
                self.socket()?.send_text(&text).await.map_err(|gone| anyhow::anyhow!("{gone:?}"))?;
            }
            Line::Next(expected) => {
                let came = self.receive().await?;
                let expected = serde_json::from_str(expected)?;
                ensure!(self.fits(&expected, &came), "there came {came}");
            }
            Line::SoonerOrLater(expected) => {
                let expected = serde_json::from_str(expected)?;
                self.await_frame(&expected).await?;
            }
            Line::Closed(code) => {
                let gone = self.socket()?.closed().await;
                ensure!(gone.code == Some(code), "{gone:?}");
            }
        }
        Ok(())
    }

    async fn await_frame(&mut self, expected: &Value) -> anyhow::Result<()> {
        for index in 0..self.waiting.len() {
            let came = self.waiting[index].clone();
            if self.fits(expected, &came) {
                self.waiting.remove(index);
                return Ok(());
            }
        }
        loop {
            let came = self.receive().await.with_context(|| format!("there came only {:#?}", self.waiting))?;
            if self.fits(expected, &came) {
                return Ok(());
            }
            self.waiting.push(came);
        }
    }

    async fn receive(&mut self) -> anyhow::Result<Value> {
        let text = self.socket()?.receive_text().await.map_err(|gone| anyhow::anyhow!("{gone:?}"))?;
        Ok(serde_json::from_str(&text)?)
    }

    fn socket(&mut self) -> anyhow::Result<&mut Socket> {
        self.socket.as_mut().context("`= connect` comes first")
    }

    /// The text with what is remembered in place of the names.
    fn filled(&self, text: &str) -> anyhow::Result<String> {
        let mut text = text.to_owned();
        for (name, value) in &self.names {
            text = text.replace(&format!("${name}"), value.as_str().context("only texts are sent again")?);
        }
        ensure!(!text.contains('$'), "unknown name in {text}");
        Ok(text)
    }

    /// Whether a frame is as expected. What is remembered is only so if all of it fits.
    fn fits(&mut self, expected: &Value, came: &Value) -> bool {
        let mut names = self.names.clone();
        let fits = matches(expected, came, &mut names);
        if fits {
            self.names = names;
        }
        fits
    }
}

fn matches(expected: &Value, came: &Value, names: &mut HashMap<String, Value>) -> bool {
    match (expected, came) {
        (Value::String(text), _) if text == "…" => true,
        (Value::String(text), _) if text.starts_with('$') => {
            names.entry(text[1..].to_owned()).or_insert_with(|| came.clone()) == came
        }
        (Value::Object(expected), Value::Object(came)) => {
            let is_open = expected.contains_key("…");
            let known = came.keys().all(|key| is_open || expected.contains_key(key));
            let mut members = expected.iter().filter(|(key, _)| *key != "…");
            known && members.all(|(key, value)| came.get(key).is_some_and(|came| matches(value, came, names)))
        }
        (Value::Array(expected), Value::Array(came)) => {
            expected.len() == came.len() && expected.iter().zip(came).all(|(one, other)| matches(one, other, names))
        }
        _ => expected == came,
    }
}

#[tokio::test]
async fn the_transcripts_of_the_document_are_true() -> anyhow::Result<()> {
    let words = shell(r#"echo counting; echo '{"result": 3}'"#, &[], 2);
    let transcripts = transcripts();
    assert_eq!(transcripts.len(), 5);
    for transcript in transcripts {
        let daemon = Daemon::builder().config(json!({"agents": {"words": words}})).start().await?;
        let names = HashMap::from([("token".to_owned(), json!(daemon.admin_token()))]);
        let mut replay = Replay { daemon: &daemon, names, socket: None, waiting: Vec::new() };
        for line in transcript {
            replay.line(line).await.with_context(|| format!("in the line {line}"))?;
        }
    }
    Ok(())
}

#[test]
fn a_frame_fits_what_is_written() {
    let check = |expected: Value, came: Value| matches(&expected, &came, &mut HashMap::new());
    assert!(check(json!({"a": "…", "b": "$x", "c": "$x"}), json!({"a": [1], "b": 2, "c": 2})));
    assert!(!check(json!({"b": "$x", "c": "$x"}), json!({"b": 2, "c": 3})));
    assert!(!check(json!({"a": 1}), json!({"a": 1, "b": 2})));
    assert!(check(json!({"a": 1, "…": "…"}), json!({"a": 1, "b": 2})));
    assert!(!check(json!({"a": 1, "b": 1}), json!({"a": 1})));
    assert!(!check(json!([1]), json!([1, 2])));
}
