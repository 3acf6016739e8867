use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Keeps a durable backlog of tasks, gives each to the agent that fits, and answers on one socket.
///
/// Without options it starts with no configuration and no network: data in ./data, listening on 127.0.0.1:8787.
#[derive(Debug, Clone, Parser)]
#[command(version, args_conflicts_with_subcommands = true, subcommand_precedence_over_arg = true)]
pub(crate) struct Args {
    /// The port to listen on; 0 takes a free one.
    #[arg(long, global = true)]
    pub(crate) port: Option<u16>,
    /// The address to listen on.
    #[arg(long, global = true)]
    pub(crate) host: Option<String>,
    /// Also logs what is of use when something is wrong.
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    /// The configuration (TOML, YAML or JSON); else ORCHESTRATOR_CONFIG, else ./orchestrator.{toml,yaml,json}.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where the database, keys and tokens live.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Variables that the real environment does not set; else ./.env if there is one.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
    /// Serves TLS with this certificate chain (PEM), read again when it changes.
    #[arg(long, global = true, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM).
    #[arg(long, global = true, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Reads and checks the configuration, tells where its values come from, and ends.
    #[arg(long)]
    pub(crate) check_config: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Command {
    /// Has a small team of agents describe the current directory, then keeps serving.
    ///
    /// Needs nothing installed: the agents' model follows a script, unless OPENAI_API_KEY, OPENAI_BASE_URL with OPENAI_MODEL,
    /// ANTHROPIC_API_KEY or the configuration names a real one. Data goes into ./data unless --data-dir says otherwise; the
    /// directory itself is not changed.
    Demo {
        /// Ends when the task has ended, with status 1 unless it completed.
        #[arg(long)]
        once: bool,
    },
    /// Looks at configuration, data directory, database, disk, clock and ports, and says what to do; ends with 1 if
    /// something fails.
    Doctor {
        /// One JSON array of `{check, severity, found, remedy}`.
        #[arg(long)]
        json: bool,
    },
    /// What is configured, without a daemon.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Puts a backup (made by `orchestrator backup`) in place of a SQLite database that no daemon uses.
    Restore {
        /// The backup.
        file: PathBuf,
        /// Replaces a database that is there; it is kept beside, with the ending `.before-restore`.
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Tells each value, where it comes from, and when a change of it takes effect. Secrets are ***.
    Explain,
    /// Prints the reference of all keys (docs/configuration.md).
    Reference,
}
