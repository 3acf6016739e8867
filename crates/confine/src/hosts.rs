//! Programs that may speak to some hosts: each on a network of its own, with a proxy as its only way out.

use std::io;
use std::path::Path;

use orchestrator_egress::{Guest, HostRule, Proxy};
use orchestrator_process::Environment;
use tokio::task::JoinSet;

use crate::plan::Handover;

/// Where the proxy listens on the program's own network, at 127.0.0.1.
pub const PROXY_PORT: u16 = 3128;

/// Variables by which programs find it. Few agree on the case.
const PROXIES: [&str; 6] = ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "http_proxy", "https_proxy"];
const NO_PROXIES: [&str; 2] = ["NO_PROXY", "no_proxy"];
/// Names of this machine, which for the program is itself.
const OWN: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// With the proxy in the place of any other, none of which can be reached. What the program listens at itself is asked without it,
/// unless the operator means what the daemon's machine listens at by the same name.
pub(crate) fn with_proxy(environment: Environment, hosts: &[HostRule]) -> Environment {
    let proxy = format!("http://127.0.0.1:{PROXY_PORT}");
    let environment = PROXIES.iter().fold(environment, |all, name| all.set(*name, &proxy));
    let is_own = |name: &&str| !hosts.iter().any(|rule| rule.host.matches(name));
    let own: Vec<&str> = OWN.into_iter().filter(is_own).map(|name| name.trim_matches(['[', ']'])).collect();
    NO_PROXIES.iter().fold(environment, |all, name| all.set(*name, own.join(",")))
}

/// Serves one program for as long as it is kept, and what the launcher is told for that.
#[cfg(target_os = "linux")]
pub(crate) fn serving(proxy: &Proxy, guest: Guest, directory: &Path) -> io::Result<(JoinSet<()>, Handover)> {
    let runtime = tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
    let _within = runtime.enter();
    let handing = crate::handing::Handing::in_directory(directory)?;
    let handover = handing.handover();
    let (mut serving, proxy) = (JoinSet::new(), proxy.clone());
    let served = async move {
        match handing.taken().await {
            Ok(listener) => proxy.serve(listener, guest).await,
            Err(error) => tracing::warn!(%error, "a confined program has no proxy: it reaches no host"),
        }
    };
    serving.spawn_on(served, &runtime);
    Ok((serving, handover))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn serving(_: &Proxy, _: Guest, _: &Path) -> io::Result<(JoinSet<()>, Handover)> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_listens_at_itself_is_asked_without_the_proxy_unless_the_operator_lists_it() {
        let no_proxy = |hosts: &[&str]| {
            let hosts: Vec<HostRule> = hosts.iter().map(|rule| rule.parse().unwrap()).collect();
            let environment = with_proxy(Environment::empty().set("HTTPS_PROXY", "http://other:1"), &hosts);
            assert_eq!(environment.get("HTTPS_PROXY").unwrap(), "http://127.0.0.1:3128");
            environment.get("no_proxy").unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(no_proxy(&["a.example"]), "localhost,127.0.0.1,::1");
        assert_eq!(no_proxy(&["localhost:5432"]), "127.0.0.1,::1");
        assert_eq!(no_proxy(&["localhost", "127.0.0.1:1", "[::1]"]), "");
    }
}
