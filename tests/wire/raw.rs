use anyhow::{Context as _, ensure};
use orchestrator_testkit::{Daemon, patiently};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Opcodes of RFC 6455.
pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;
/// The bit of the first byte that says that a frame is the last of its message.
pub(crate) const FIN: u8 = 0x80;

/// A WebSocket whose frames are made by hand.
pub(crate) struct Raw(TcpStream);

/// A frame of the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

impl Raw {
    /// Upgrades, with or without a credential.
    pub(crate) async fn open(daemon: &Daemon, token: Option<&str>) -> anyhow::Result<Self> {
        let address = daemon.url().strip_prefix("http://").context("a plain address")?;
        let mut stream = TcpStream::connect(address).await?;
        let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
        let request = format!(
            "GET /ws HTTP/1.1\r\nhost: {address}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{authorization}\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(patiently("the upgrade", stream.read_u8()).await?);
        }
        ensure!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        Ok(Self(stream))
    }

    /// Sends a masked frame; `first` is its first byte, as it is.
    pub(crate) async fn send(&mut self, first: u8, payload: &[u8]) -> std::io::Result<()> {
        let mut frame = vec![first];
        match payload.len() {
            length @ 0..=125 => frame.push(0x80 | length as u8),
            length @ 126..=0xffff => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            length => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        let mask = [0x11, 0x22, 0x33, 0x44];
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.0.write_all(&frame).await
    }

    /// Sends bytes as they are.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes).await
    }

    /// The next frame.
    pub(crate) async fn frame(&mut self) -> anyhow::Result<Frame> {
        patiently("a frame", self.read()).await
    }

    async fn read(&mut self) -> anyhow::Result<Frame> {
        let (first, length) = (self.0.read_u8().await?, self.0.read_u8().await?);
        let length = match length {
            126 => u64::from(self.0.read_u16().await?),
            127 => self.0.read_u64().await?,
            length => u64::from(length),
        };
        let mut payload = vec![0; usize::try_from(length)?];
        self.0.read_exact(&mut payload).await?;
        Ok(Frame { opcode: first & 0x0f, payload })
    }

    /// The code of the close frame; what comes before it is passed over. Then the daemon must end the connection.
    pub(crate) async fn closed(&mut self) -> anyhow::Result<u16> {
        loop {
            let frame = self.frame().await?;
            if frame.opcode == CLOSE {
                let code = frame.payload.get(..2).context("a close without a code")?;
                let _ = self.send(FIN | CLOSE, code).await;
                let mut rest = Vec::new();
                patiently("the end of the connection", self.0.read_to_end(&mut rest)).await?;
                return Ok(u16::from_be_bytes([code[0], code[1]]));
            }
        }
    }
}
