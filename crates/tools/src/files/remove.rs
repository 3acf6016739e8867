use serde::Deserialize;
use serde_json::json;

use super::{Job, path_of};
use crate::{Error, Output, Repeat, Spec};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    path: String,
}

pub(super) fn spec() -> Spec {
    let properties = json!({ "path": path_of("The file") });
    let description =
        "Removes one file. Of a link the link is removed, not what it leads to. Directories are not removed.";
    super::spec("fs.remove", description, Repeat::Effective, properties, &["path"])
}

pub(super) fn run(job: &Job, arguments: Arguments) -> Result<Output, Error> {
    let workspace = job.workspace()?;
    let path = workspace.relative(&arguments.path)?;
    let failed = |error| workspace.problem(&path, &error);
    let metadata = workspace.root.symlink_metadata(&path).map_err(failed)?;
    if metadata.is_dir() {
        return Err(Error::Refused(format!("{} is a directory; only files are removed", path.display())));
    }
    job.go_on()?;
    workspace.root.remove_file(&path).map_err(failed)?;
    Ok(Output::text(format!("removed {}", path.display())))
}
