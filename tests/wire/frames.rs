//! Frames made by hand: what a WebSocket library would never send.

use orchestrator_testkit::Daemon;
use serde_json::{Value, json};

use crate::raw::{BINARY, CLOSE, CONTINUATION, FIN, Frame, PING, PONG, Raw, TEXT};

/// 10 MiB: the largest message.
const MESSAGE_BYTES_MAX: usize = 10 << 20;
/// Before authentication.
const STRANGER_BYTES_MAX: usize = 64 << 10;

async fn daemon() -> anyhow::Result<Daemon> {
    Daemon::builder().start().await
}

async fn known(daemon: &Daemon) -> anyhow::Result<Raw> {
    Raw::open(daemon, Some(daemon.admin_token())).await
}

fn ping() -> Vec<u8> {
    json!({"jsonrpc": "2.0", "id": 1, "method": "health.ping"}).to_string().into_bytes()
}

/// A ping of exactly this many bytes.
fn padded(bytes: usize) -> Vec<u8> {
    let mut text = ping();
    text.resize(bytes, b' ');
    text
}

async fn answer(raw: &mut Raw) -> anyhow::Result<Value> {
    Ok(serde_json::from_slice(&raw.frame().await?.payload)?)
}

#[tokio::test]
async fn a_message_may_have_ten_mebibytes_and_not_one_byte_more() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    let mut raw = known(&daemon).await?;
    raw.send(FIN | TEXT, &padded(MESSAGE_BYTES_MAX)).await?;
    assert_eq!(answer(&mut raw).await?["id"], 1);
    let half = padded(MESSAGE_BYTES_MAX / 2);
    raw.send(TEXT, &half).await?;
    raw.send(FIN | CONTINUATION, &vec![b' '; MESSAGE_BYTES_MAX / 2]).await?;
    assert_eq!(answer(&mut raw).await?["id"], 1, "in fragments too");

    // The daemon may close before it has read all of it.
    let _ = raw.send(FIN | TEXT, &padded(MESSAGE_BYTES_MAX + 1)).await;
    assert_eq!(raw.closed().await?, 1009);
    let mut raw = known(&daemon).await?;
    raw.send(TEXT, &half).await?;
    let _ = raw.send(FIN | CONTINUATION, &vec![b' '; MESSAGE_BYTES_MAX / 2 + 1]).await;
    assert_eq!(raw.closed().await?, 1009, "in fragments too");
    Ok(())
}

#[tokio::test]
async fn a_stranger_may_send_64_kibibytes() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    let mut raw = Raw::open(&daemon, None).await?;
    let _ = raw.send(FIN | TEXT, &padded(STRANGER_BYTES_MAX + 1)).await;
    assert_eq!(raw.closed().await?, 1009);
    let mut raw = Raw::open(&daemon, None).await?;
    let params = json!({"auth": {"type": "api-key", "token": daemon.admin_token()}});
    let mut connect =
        json!({"jsonrpc": "2.0", "id": 1, "method": "auth.connect", "params": params}).to_string().into_bytes();
    connect.resize(STRANGER_BYTES_MAX - 1_000, b' ');
    raw.send(FIN | TEXT, &connect).await?;
    assert_eq!(answer(&mut raw).await?["result"]["type"], "hello");
    raw.send(FIN | TEXT, &padded(STRANGER_BYTES_MAX + 1)).await?;
    assert_eq!(answer(&mut raw).await?["id"], 1, "whoever is known may send more");
    Ok(())
}

#[tokio::test]
async fn fragments_are_put_together_around_control_frames() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    let mut raw = known(&daemon).await?;
    let text = json!({"jsonrpc": "2.0", "id": "ä", "method": "health.ping"}).to_string().into_bytes();
    // Cut in the middle of a character.
    let middle = text.iter().position(|byte| *byte == 0xc3).map_or(0, |at| at + 1);
    raw.send(TEXT, &text[..middle]).await?;
    raw.send(FIN | PING, b"between").await?;
    raw.send(CONTINUATION, b"").await?;
    raw.send(FIN | CONTINUATION, &text[middle..]).await?;
    assert_eq!(raw.frame().await?, Frame { opcode: PONG, payload: b"between".to_vec() });
    assert_eq!(answer(&mut raw).await?["id"], "ä");
    Ok(())
}

#[tokio::test]
async fn what_is_not_utf_8_is_refused() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    for payload in [&b"\xff"[..], b"{\"a\":\"\xed\xa0\x80\"}", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\xc3"] {
        let mut raw = known(&daemon).await?;
        raw.send(FIN | TEXT, payload).await?;
        assert_eq!(raw.closed().await?, 1007, "{payload:?}");
    }
    let mut raw = known(&daemon).await?;
    raw.send(TEXT, b"{").await?;
    raw.send(FIN | CONTINUATION, b"\xff}").await?;
    assert_eq!(raw.closed().await?, 1007, "in fragments too");
    Ok(())
}

#[tokio::test]
async fn only_text_is_spoken() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    let mut raw = known(&daemon).await?;
    raw.send(FIN | BINARY, &ping()).await?;
    assert_eq!(raw.closed().await?, 1003);
    let mut raw = Raw::open(&daemon, None).await?;
    raw.send(FIN | BINARY, &ping()).await?;
    assert_eq!(raw.closed().await?, 1003, "strangers too");
    Ok(())
}

#[tokio::test]
async fn frames_against_the_protocol_end_the_connection() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    for (what, first, payload) in [
        ("a reserved bit", FIN | 0x40 | TEXT, &b"{}"[..]),
        ("an unknown opcode", FIN | 0x3, b"{}"),
        ("an unknown control opcode", FIN | 0xB, b""),
        ("a continuation of nothing", FIN | CONTINUATION, b"{}"),
        ("a fragmented ping", PING, b""),
        ("a ping that is too long", FIN | PING, &[b'x'; 126]),
    ] {
        let mut raw = known(&daemon).await?;
        raw.send(first, payload).await?;
        assert_eq!(raw.closed().await?, 1002, "{what}");
    }
    let mut raw = known(&daemon).await?;
    raw.send(TEXT, b"{").await?;
    raw.send(FIN | TEXT, b"}").await?;
    assert_eq!(raw.closed().await?, 1002, "a message within a message");
    let mut raw = known(&daemon).await?;
    raw.send_bytes(&[FIN | TEXT, 2, b'{', b'}']).await?;
    assert_eq!(raw.closed().await?, 1002, "an unmasked frame");
    Ok(())
}

#[tokio::test]
async fn a_close_is_answered_with_its_own_code() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    for code in [1000_u16, 1001, 3000, 4999] {
        let mut raw = known(&daemon).await?;
        raw.send(FIN | CLOSE, &code.to_be_bytes()).await?;
        assert_eq!(raw.closed().await?, code);
    }
    let mut raw = known(&daemon).await?;
    raw.send(FIN | CLOSE, b"").await?;
    assert_eq!(raw.frame().await?, Frame { opcode: CLOSE, payload: Vec::new() });
    for (what, payload) in [("half a code", &b"\x03"[..]), ("a reserved code", &1005_u16.to_be_bytes())] {
        let mut raw = known(&daemon).await?;
        raw.send(FIN | CLOSE, payload).await?;
        assert_eq!(raw.closed().await?, 1002, "{what}");
    }
    Ok(())
}

#[tokio::test]
async fn a_flood_of_pings_ends_a_connection() -> anyhow::Result<()> {
    let limited = Daemon::builder().config(json!({"gateway": {"controlFramesMax": 5}})).start().await?;
    let roomy = Daemon::builder().config(json!({"gateway": {"controlFramesMax": 50}})).start().await?;
    for opcode in [PING, PONG] {
        let mut raw = known(&limited).await?;
        for _ in 0..6 {
            let _ = raw.send(FIN | opcode, b"x").await;
        }
        assert_eq!(raw.closed().await?, 4004);
    }
    let mut raw = known(&roomy).await?;
    for _ in 0..6 {
        raw.send(FIN | PING, b"x").await?;
        assert_eq!(raw.frame().await?.opcode, PONG);
    }
    raw.send(FIN | TEXT, &ping()).await?;
    assert_eq!(answer(&mut raw).await?["id"], 1);
    Ok(())
}

#[tokio::test]
async fn whoever_says_nothing_or_nonsense_first_is_sent_away() -> anyhow::Result<()> {
    let daemon = Daemon::builder().config(json!({"gateway": {"authenticationTimeoutMs": 200}})).start().await?;
    let mut silent = Raw::open(&daemon, None).await?;
    assert_eq!(silent.closed().await?, 4002);
    let mut slow = Raw::open(&daemon, None).await?;
    slow.send(TEXT, b"{\"jsonrpc\"").await?;
    assert_eq!(slow.closed().await?, 4002, "half a frame is none");
    for first in ["hello", "7", "\"text\"", "null", "{"] {
        let mut raw = Raw::open(&daemon, None).await?;
        raw.send(FIN | TEXT, first.as_bytes()).await?;
        assert_eq!(raw.closed().await?, 1002, "{first}");
    }
    // Whoever brought a credential may take its time, but not talk nonsense.
    let mut raw = known(&daemon).await?;
    raw.send(FIN | TEXT, b"hello").await?;
    assert_eq!(raw.closed().await?, 1002);
    Ok(())
}
