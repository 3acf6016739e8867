use async_trait::async_trait;
use bytes::Bytes;
use orchestrator_process::{Environment, Framing, Host, Limits, Output, OverOutput, Spec, Status, Stdin, Stream};
use orchestrator_redact::Redactor;
use secrecy::ExposeSecret as _;

use crate::config::Program as Config;
use crate::{Answer, Event, Failed, Handler, Input};

/// What a hook may print, to each of its outputs.
const OUTPUT_BYTES_MAX: u64 = 256 * 1024;
/// The exit code that blocks; 0 lets pass, every other one is a failure.
const BLOCKS: i32 = 2;
/// How much of what a failed program printed is told.
const FAILURE_CHARS_MAX: usize = 500;

/// A program of the operator. It is killed with everything it started when its time is over.
pub(crate) struct Runs {
    name: String,
    config: Config,
    host: Host,
    redactor: Redactor,
}

impl Runs {
    pub(crate) fn new(name: String, config: Config, host: Host, redactor: Redactor) -> Self {
        Self { name, config, host, redactor }
    }

    fn spec(&self, told: Vec<u8>) -> Option<Spec> {
        let (program, args) = self.config.command.split_first()?;
        let variables = &self.config.environment;
        let inherited = Environment::empty().inherit(&variables.inherit);
        let environment =
            variables.set.iter().fold(inherited, |all, (name, value)| all.set(name.as_str(), value.expose_secret()));
        let limits = Limits { output_bytes_max: OUTPUT_BYTES_MAX, over_output: OverOutput::End, ..Limits::default() };
        let mut spec = Spec::new(program)
            .args(args)
            .about("hook", &self.name)
            .environment(environment)
            .stdin(Stdin::Bytes(Bytes::from(told)))
            .framing(Framing::Chunks)
            .limits(limits);
        spec.working_directory = self.config.working_directory.clone();
        Some(spec)
    }
}

#[async_trait]
impl Handler for Runs {
    async fn run(&self, event: Event, input: &Input) -> Result<Answer, Failed> {
        let mut told = self.redactor.redact_json(input.to_json(event)).to_string().into_bytes();
        told.push(b'\n');
        let spec = self.spec(told).ok_or_else(|| Failed("it has no program".to_owned()))?;
        let mut process = self.host.spawn(&self.config.sandbox, spec).await.map_err(|error| Failed(chain(&error)))?;
        let (mut said, mut complained) = (Vec::new(), Vec::new());
        while let Some(output) = process.next().await {
            match output {
                Output::Chunk { stream: Stream::Stdout, bytes } => said.extend_from_slice(&bytes),
                Output::Chunk { stream: Stream::Stderr, bytes } => complained.extend_from_slice(&bytes),
                _ => {}
            }
        }
        let exit = process.wait().await;
        let (said, complained) = (String::from_utf8_lossy(&said), String::from_utf8_lossy(&complained));
        if exit.status == Status::OutputLimit {
            return Err(Failed(format!("it printed more than {OUTPUT_BYTES_MAX} bytes")));
        }
        match exit.code {
            Some(0) => Answer::read(&said, event).map_err(|error| Failed(error.to_string())),
            Some(BLOCKS) => Ok(Answer::deny(reason(&complained, &said)).bounded()),
            Some(code) => Err(Failed(format!("its program ended with {code}{}", last_words(&complained)))),
            None => Err(Failed("its program was ended by a signal".to_owned())),
        }
    }
}

fn reason(complained: &str, said: &str) -> String {
    let words = [complained, said].map(str::trim).into_iter().find(|words| !words.is_empty());
    words.unwrap_or("it gave no reason").to_owned()
}

fn last_words(complained: &str) -> String {
    let words: String = complained.trim().chars().take(FAILURE_CHARS_MAX).collect();
    if words.is_empty() { words } else { format!(": {words}") }
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
