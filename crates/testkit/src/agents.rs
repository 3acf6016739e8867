use serde_json::{Value, json};

/// An entry of the section `agents`: a script for the shell, what it can do, and how many tasks it takes at once. The
/// script finds the task as one line of JSON on its standard input; its last line of output is the result.
pub fn shell(script: &str, capabilities: &[&str], max_concurrent: u32) -> Value {
    let program = json!({"command": ["sh", "-c", script], "graceMs": 200});
    json!({"program": program, "capabilities": capabilities, "maxConcurrent": max_concurrent})
}
