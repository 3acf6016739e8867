use std::time::Duration;

use orchestrator_process::{
    Environment, Error, Exit, Framing, Handle, Host, Input, Limits, Output, Process, Spec, Stdin, Stream,
};
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf};
use tokio::time::Instant;

use super::config::ServerConfig;
use super::names::ServerName;

/// What is on its way between the protocol and the program.
const BUFFER_BYTES: usize = 64 * 1024;
/// How much of a line that the program prints beside the protocol is told.
const LINE_BYTES_MAX: usize = 2_000;
/// How many such lines a minute.
const LINES_MAX: u32 = 60;

/// A program that speaks the protocol on its standard streams.
pub(super) struct Child {
    process: Process,
    input: Input,
    streams: DuplexStream,
    log: Log,
}

impl Child {
    /// The program, the side of its streams to speak to, and what ends it.
    pub(super) async fn start(
        server: &ServerName,
        config: &ServerConfig,
        host: &Host,
    ) -> Result<(Self, DuplexStream, Handle), Error> {
        let mut process = host.spawn(&config.sandbox, spec(config).about("server", server)).await?;
        let input = process.take_input().ok_or(Error::Ended)?;
        let (near, streams) = tokio::io::duplex(BUFFER_BYTES);
        let handle = process.handle();
        let log =
            Log { server: server.clone(), line: Vec::new(), last: None, told: 0, left_out: 0, since: Instant::now() };
        Ok((Self { process, input, streams, log }, near, handle))
    }

    /// Carries both ways until the program has ended, and tells how it did. Dropping the future ends its whole tree.
    pub(super) async fn run(self) -> String {
        let Self { mut process, input, streams, mut log } = self;
        let (from_protocol, mut to_protocol) = tokio::io::split(streams);
        let exit = {
            let fed = feed(from_protocol, input);
            let ended = drain(&mut process, &mut to_protocol, &mut log);
            tokio::pin!(fed, ended);
            tokio::select! {
                () = &mut fed => ended.await,
                exit = &mut ended => exit,
            }
        };
        log.end();
        described(&exit, log.last.as_deref())
    }
}

async fn feed(mut from: ReadHalf<DuplexStream>, mut input: Input) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if input.write(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

async fn drain(process: &mut Process, to: &mut WriteHalf<DuplexStream>, log: &mut Log) -> Exit {
    while let Some(output) = process.next().await {
        match output {
            // Nobody listens any more once the conversation is over; the program shall not hang by it.
            Output::Chunk { stream: Stream::Stdout, bytes } => drop(to.write_all(&bytes).await),
            Output::Chunk { stream: Stream::Stderr, bytes } => log.take(&bytes),
            _ => {}
        }
    }
    // What was said is over, also if the program is not: the other side shall know.
    let _ = to.shutdown().await;
    process.wait().await
}

pub(super) fn spec(config: &ServerConfig) -> Spec {
    let set = config.environment.set.iter();
    let inherited = Environment::empty().inherit(&config.environment.inherit);
    let environment = set.fold(inherited, |all, (name, value)| all.set(name.as_str(), value.expose_secret()));
    // What is said over it has bounds of its own, line by line.
    let limits = Limits { output_bytes_max: u64::MAX, ..Limits::default() };
    let (program, args) = config.command.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    let spec = Spec::new(program).args(args).environment(environment);
    let spec = spec.stdin(Stdin::Piped).framing(Framing::Chunks).limits(limits);
    match &config.working_directory {
        Some(path) => spec.working_directory(path),
        None => spec,
    }
}

fn described(exit: &Exit, last: Option<&str>) -> String {
    let how = match (exit.code, exit.signal) {
        (Some(code), _) => format!("its program ended with {code}"),
        (None, Some(signal)) => format!("its program was ended by signal {signal}"),
        (None, None) => "its program ended".to_owned(),
    };
    last.map_or(how.clone(), |last| format!("{how}: {last}"))
}

/// What a program prints beside the protocol, for the log of this one: so many lines, and so much of each.
struct Log {
    server: ServerName,
    line: Vec<u8>,
    last: Option<String>,
    told: u32,
    left_out: u32,
    since: Instant,
}

impl Log {
    fn take(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.tell();
            }
        }
    }

    fn end(&mut self) {
        if !self.line.is_empty() {
            self.tell();
        }
    }

    fn tell(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if line.is_empty() {
            return;
        }
        if self.since.elapsed() >= Duration::from_secs(60) {
            (self.told, self.since) = (0, Instant::now());
        }
        let left_out = std::mem::take(&mut self.left_out);
        if self.told < LINES_MAX {
            self.told += 1;
            tracing::info!(server = %self.server, line, left_out, "printed by an MCP server");
        } else {
            self.left_out = left_out + 1;
        }
        self.last = Some(line);
    }
}
