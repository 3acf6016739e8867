use std::io::{BufRead, BufReader, Read};

use serde::Deserialize;
use serde_json::json;

use super::{Job, path_of};
use crate::{Error, Output, Repeat, Spec};

const LINES: usize = 2_000;
/// Longer lines are cut, and said to be.
const LINE_BYTES_MAX: usize = 2_000;
/// Where reading stops, before the registry would cut in the middle of a line.
const ANSWER_BYTES_MAX: usize = 40 * 1024;
/// What is binary shows it here.
const HEAD_BYTES: usize = 8 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    path: String,
    offset: Option<u64>,
    limit: Option<usize>,
}

pub(super) fn spec() -> Spec {
    let properties = json!({
        "path": path_of("The file"),
        "offset": { "type": "integer", "minimum": 1, "description": "The first line to read, from 1. Default 1." },
        "limit": { "type": "integer", "minimum": 1, "maximum": LINES, "description": "How many lines at most. Default 2000." },
    });
    let description = "Reads a text file. Each line comes with its number and a tab before it, which are not part of the file. \
        Long files are read in parts: the answer says where to go on.";
    super::spec("fs.read", description, Repeat::Harmless, properties, &["path"])
}

pub(super) fn run(job: &Job, arguments: Arguments) -> Result<Output, Error> {
    let workspace = job.workspace()?;
    let path = workspace.relative(&arguments.path)?;
    let (file, metadata) = workspace.open_file(&path)?;
    let mut reader = BufReader::with_capacity(64 * 1024, file);
    let failed = |error| workspace.problem(&path, &error);
    if is_binary(reader.fill_buf().map_err(failed)?) {
        return Ok(Output::text(format!("{} is a binary file of {} bytes", path.display(), metadata.len())));
    }
    let first = arguments.offset.unwrap_or(1);
    let limit = arguments.limit.unwrap_or(LINES).min(LINES);
    let (mut answer, mut number, mut shown) = (String::new(), 0_u64, 0);
    let more = loop {
        job.go_on()?;
        let wanted = number + 1 >= first;
        if wanted && (shown == limit || answer.len() > ANSWER_BYTES_MAX) {
            break !reader.fill_buf().map_err(failed)?.is_empty();
        }
        let Some(line) = next_line(&mut reader, &|| job.go_on(), &failed)? else { break false };
        number += 1;
        if wanted {
            shown += 1;
            answer.push_str(&format!("{number}\t{line}\n"));
        }
    };
    if shown == 0 {
        let name = path.display();
        return Ok(Output::text(match number {
            0 => format!("[{name} is empty]"),
            _ => format!("[{name} has {number} lines, none from line {first} on]"),
        }));
    }
    if more {
        answer.push_str(&format!("[there is more: go on with offset {}]", number + 1));
    }
    Ok(Output::text(answer))
}

pub(super) fn is_binary(bytes: &[u8]) -> bool {
    bytes[..bytes.len().min(HEAD_BYTES)].contains(&0)
}

/// The next line, without its end, cut if it is long; `None` at the end of the file. However long a line is, little of it is held.
fn next_line(
    reader: &mut impl BufRead,
    go_on: &impl Fn() -> Result<(), Error>,
    failed: &impl Fn(std::io::Error) -> Error,
) -> Result<Option<String>, Error> {
    let (mut kept, mut left_out) = (Vec::new(), 0);
    reader.by_ref().take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut kept).map_err(failed)?;
    if kept.is_empty() {
        return Ok(None);
    }
    while kept.last() != Some(&b'\n') {
        go_on()?;
        let buffer = reader.fill_buf().map_err(failed)?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let taken = end.unwrap_or(buffer.len());
        left_out += taken;
        let at_end = buffer.is_empty() || end.is_some();
        reader.consume(taken + usize::from(end.is_some()));
        if at_end {
            break;
        }
    }
    let whole = kept.strip_suffix(b"\n").unwrap_or(&kept);
    let whole = if left_out == 0 { whole.strip_suffix(b"\r").unwrap_or(whole) } else { whole };
    let mut line = String::from_utf8_lossy(whole).into_owned();
    if left_out > 0 {
        line.push_str(&format!(" [{left_out} bytes more of this line were left out]"));
    }
    Ok(Some(line))
}
