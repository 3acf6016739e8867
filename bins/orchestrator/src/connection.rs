use std::path::Path;
use std::time::Duration;

use orchestrator_client::{Client, Config, Reconnect};
use secrecy::SecretString;

use crate::args::ConnectionArgs;
use crate::failure::Failure;

const URL_DEFAULT: &str = "http://127.0.0.1:8787";

/// Connects to the daemon that the arguments, the environment or the data directory name.
pub(crate) async fn connect(args: &ConnectionArgs) -> Result<Client, Failure> {
    connect_again(args, None).await
}

/// The same, with what an earlier process was given to come back with.
pub(crate) async fn connect_again(args: &ConnectionArgs, token: Option<SecretString>) -> Result<Client, Failure> {
    Ok(Client::connect(Config { resume_token: token, ..config(args)? }).await?)
}

/// The same without a token, for calls that bring a secret of their own.
pub(crate) async fn connect_as_nobody(args: &ConnectionArgs) -> Result<Client, Failure> {
    let config = address(args)?;
    let is_encrypted = ["https:", "wss:"].into_iter().any(|scheme| config.url.starts_with(scheme));
    if !is_encrypted && !config.is_local()? && !args.allow_insecure {
        return Err(Failure::usage(format!("{} is not encrypted: use https://, or --allow-insecure", config.url)));
    }
    Ok(Client::connect(config).await?)
}

fn config(args: &ConnectionArgs) -> Result<Config, Failure> {
    let mut config = address(args)?;
    if let Some(token) = token(args, &config)? {
        config = config.token(token);
    }
    Ok(config)
}

fn address(args: &ConnectionArgs) -> Result<Config, Failure> {
    let url = match &args.url {
        Some(url) => url.clone(),
        None => read(&args.data_dir.join("daemon.addr"))?.map_or(URL_DEFAULT.into(), |url| reachable(&url)),
    };
    let mut config = Config::new(url);
    config.ca_file.clone_from(&args.ca_file);
    config.allow_insecure = args.allow_insecure;
    config.call_timeout = args.timeout;
    config.connect_timeout = config.connect_timeout.min(args.timeout);
    config.reconnect = Reconnect { delay_max: Duration::from_secs(5), ..Reconnect::default() };
    Ok(config)
}

fn token(args: &ConnectionArgs, config: &Config) -> Result<Option<String>, Failure> {
    if let Some(token) = args.token.as_ref().filter(|token| !token.trim().is_empty()) {
        return Ok(Some(token.clone()));
    }
    if let Some(path) = &args.token_file {
        let token = read(path)?;
        return token.map(Some).ok_or_else(|| Failure::usage(format!("there is no file {}", path.display())));
    }
    // The administrator's token of this machine is for the daemon of this machine and for nobody else.
    if config.is_local()? { read(&args.data_dir.join("admin.token")) } else { Ok(None) }
}

/// The trimmed text of a file, or nothing if there is no such file.
fn read(path: &Path) -> Result<Option<String>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::usage(format!("cannot read {}: {error}", path.display()))),
    }
}

/// Who listens everywhere listens on this machine too.
fn reachable(url: &str) -> String {
    url.replacen("://0.0.0.0:", "://127.0.0.1:", 1).replacen("://[::]:", "://[::1]:", 1)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::Args;

    fn args(data_dir: &Path, more: &[&str]) -> ConnectionArgs {
        let data_dir = data_dir.to_str().unwrap();
        let fixed = ["orchestrator", "status", "--data-dir", data_dir];
        Args::parse_from(fixed.iter().chain(more)).connection
    }

    #[test]
    fn the_data_directory_names_the_daemon_and_opens_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("daemon.addr"), "http://0.0.0.0:4000").unwrap();
        std::fs::write(folder.path().join("admin.token"), "orc_admin\n").unwrap();
        let config = config(&args(folder.path(), &[])).unwrap();
        assert_eq!(config.url, "http://127.0.0.1:4000");
        assert!(config.token.is_some());
    }

    #[test]
    fn the_administrators_token_stays_on_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("admin.token"), "orc_admin").unwrap();
        let far = config(&args(folder.path(), &["--url", "https://daemon.example"])).unwrap();
        assert!(far.token.is_none());
        let near = config(&args(folder.path(), &["--url", "http://localhost:1"])).unwrap();
        assert!(near.token.is_some());
    }

    #[test]
    fn without_anything_the_default_address_is_tried() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&args(folder.path(), &[])).unwrap();
        assert_eq!((config.url.as_str(), config.token.is_none()), (URL_DEFAULT, true));
    }
}
