use serde_json::Value;

/// How a program that was run to its end ended, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its exit status; -1 if a signal ended it.
    pub status: i32,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
}

impl From<std::process::Output> for Ran {
    fn from(output: std::process::Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { status: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

impl Ran {
    /// The output of a command that must have worked, without the end of its last line.
    ///
    /// # Panics
    /// If it has not.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.status, 0, "{self:?}");
        self.stdout.trim_end().to_owned()
    }

    /// The one JSON document of a command that must have worked.
    ///
    /// # Panics
    /// If it has not, or it is none.
    #[track_caller]
    pub fn json(self) -> Value {
        assert_eq!(self.status, 0, "{self:?}");
        self.document()
    }

    /// The one JSON document that was printed, however the command ended.
    ///
    /// # Panics
    /// If it is none.
    #[track_caller]
    pub fn document(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// That the command has not worked: the status, and a part of what was said about it.
    ///
    /// # Panics
    /// If it ended otherwise.
    #[track_caller]
    pub fn failed(self, status: i32, said: &str) {
        assert!(self.status == status && self.stderr.contains(said), "expected {status} and {said:?}: {self:?}");
    }
}
