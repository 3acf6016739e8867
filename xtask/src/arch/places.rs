//! Every package states its floor, lies where its name says, and has a name that says something.

use std::path::Path;

use crate::arch::COMPOSITION;
use crate::findings::Finding;
use crate::workspace::Package;

/// Names that gather what has no place.
const FORBIDDEN: [&str; 6] = ["core", "common", "utils", "helpers", "types", "manager"];
const PREFIX: &str = "orchestrator-";

pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    packages.iter().flat_map(|package| [floor(package), folder(package), name(package)]).flatten().collect()
}

fn floor(package: &Package) -> Option<Finding> {
    let problem = match package.layer() {
        None => "states no floor: add [package.metadata.orchestrator] layer".to_owned(),
        Some(layer) if layer > COMPOSITION => format!("floor {layer} does not exist: 0 to {COMPOSITION}"),
        Some(_) => return None,
    };
    Some(Finding::new(&package.name, problem))
}

fn folder(package: &Package) -> Option<Finding> {
    let folder = package.directory().file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let expected = if package.is_in("crates") {
        format!("{PREFIX}{folder}")
    } else if package.is_in("bins") {
        folder.to_owned()
    } else {
        return None;
    };
    let place =
        || package.directory().parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    (package.name != expected).then(|| {
        let place = place().unwrap_or_default();
        Finding::new(&package.name, format!("folder {place}/{folder} must hold package {expected}"))
    })
}

fn name(package: &Package) -> Option<Finding> {
    let name = package.name.strip_prefix(PREFIX).unwrap_or(&package.name);
    let word = name.split(['-', '_']).find(|word| FORBIDDEN.contains(word))?;
    Some(Finding::new(&package.name, format!("`{word}` says nothing: name what the crate does")))
}
