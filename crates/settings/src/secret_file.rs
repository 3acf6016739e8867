use std::path::{Path, PathBuf};

use crate::tree::{Form, Node, Value};
use crate::{Error, Source, file};

/// Replaces `<secret>File` by `<secret>` with the content of the file it names.
///
/// A relative path in a configuration file is relative to that file, else to the working directory.
pub(crate) fn resolve(layer: &mut Node, secrets: &[String], files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let named: Vec<String> = secrets.iter().flat_map(|secret| layer.spelled_out(secret)).collect();
    for secret in &named {
        let key = format!("{secret}File");
        let Some(named) = layer.remove(&key) else { continue };
        if let Some(there) = layer.get(secret) {
            let (first, second) = (Box::new(there.source.clone()), Box::new(named.source));
            return Err(Error::Conflict { first, second, key: secret.clone() });
        }
        let Value::Text(path) = &named.value else {
            let message = "expected the path of a file".to_owned();
            return Err(Error::Invalid { place: named.source, key, message });
        };
        let path = relative_to(&named.source, path);
        let text = file::read_secret(&path)?;
        files.push(path);
        layer.insert(secret, Node { form: Form::Hidden, value: Value::Text(text), ..named })?;
    }
    Ok(())
}

fn relative_to(source: &Source, path: &str) -> PathBuf {
    match source {
        Source::File { path: file, .. } => file.parent().unwrap_or(Path::new("")).join(path),
        _ => path.into(),
    }
}
