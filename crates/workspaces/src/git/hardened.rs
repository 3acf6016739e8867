//! The environment git runs in: what the machine, the user and the repository have configured to run programs is off.

use orchestrator_process::Environment;

use super::{Git, Place};

/// Configuration that wins over the repository's.
const CONFIGURED: &[(&str, &str)] = &[
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.untrackedCache", "false"),
    ("core.pager", "cat"),
    ("core.editor", "false"),
    ("core.askPass", "false"),
    ("core.sshCommand", "false"),
    ("core.quotePath", "false"),
    ("commit.gpgSign", "false"),
    ("tag.gpgSign", "false"),
    ("log.showSignature", "false"),
    ("merge.verifySignatures", "false"),
    ("merge.autoStash", "false"),
    ("submodule.recurse", "false"),
    ("diff.ignoreSubmodules", "all"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("protocol.allow", "never"),
    ("advice.detachedHead", "false"),
    // The operator has named the directory; it may belong to somebody else.
    ("safe.directory", "*"),
];

/// Everything is said here: nothing comes from the daemon's own environment but where git is.
pub(super) fn environment(git: &Git, place: &Place, extra: &[(String, String)]) -> Environment {
    let (name, email) = &git.author;
    let mut environment = Environment::empty()
        .inherit(["PATH"])
        .set("LC_ALL", "C")
        .set("GIT_CONFIG_NOSYSTEM", "1")
        .set("GIT_CONFIG_GLOBAL", "/dev/null")
        .set("GIT_ATTR_NOSYSTEM", "1")
        .set("GIT_TERMINAL_PROMPT", "0")
        .set("GIT_NO_LAZY_FETCH", "1")
        .set("GIT_LITERAL_PATHSPECS", "1")
        .set("GIT_OPTIONAL_LOCKS", "0")
        .set("GIT_PAGER", "cat")
        .set("GIT_EDITOR", "false")
        .set("GIT_ASKPASS", "false")
        .set("GIT_AUTHOR_NAME", name)
        .set("GIT_AUTHOR_EMAIL", email)
        .set("GIT_COMMITTER_NAME", name)
        .set("GIT_COMMITTER_EMAIL", email);
    if let Some(git_dir) = &place.git_dir {
        environment = environment.set("GIT_DIR", git_dir).set("GIT_WORK_TREE", &place.directory);
    }
    if let Some(index) = &place.index {
        environment = environment.set("GIT_INDEX_FILE", index);
    }
    let own = CONFIGURED.iter().map(|(key, value)| (*key, *value));
    let extra = extra.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let mut count = 0;
    for (key, value) in own.chain(extra) {
        environment =
            environment.set(format!("GIT_CONFIG_KEY_{count}"), key).set(format!("GIT_CONFIG_VALUE_{count}"), value);
        count += 1;
    }
    environment.set("GIT_CONFIG_COUNT", count.to_string())
}

/// What the repository says is run for some files: filters, merge drivers and programs that show differences. Reading the
/// list runs nothing.
pub(super) const PROGRAMS: &str =
    r"^(filter\..*\.(clean|smudge|process|required)|merge\..*\.driver|diff\..*\.(command|textconv))$";

/// How each of them is switched off. A merge driver cannot be empty; one that fails leaves the file in conflict.
pub(super) fn switched_off(keys: impl IntoIterator<Item = String>) -> Vec<(String, String)> {
    let off = |key: String| {
        let value = match key.rsplit('.').next() {
            Some("required" | "driver") => "false",
            _ => "",
        };
        (key, value.to_owned())
    };
    keys.into_iter().map(off).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_repository_would_run_is_switched_off_by_kind() {
        let keys = ["filter.lfs.process", "filter.a.b.required", "merge.mine.driver", "diff.x.textconv"];
        let off = switched_off(keys.map(str::to_owned));
        let values: Vec<&str> = off.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["", "false", "false", ""]);
    }
}
