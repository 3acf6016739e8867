/// How much is looked at. What is beyond is opaque.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The longest script, in bytes, also of one within another. Default 32,768.
    pub script_bytes_max: usize,
    /// How often commands may run commands: wrappers, scripts and substitutions within each other. Default 12.
    pub depth_max: usize,
    /// The most commands in all. Default 512.
    pub commands_max: usize,
    /// The most words of one command. Default 4,096.
    pub words_max: usize,
    /// The most brackets that open a group or an expansion in one script, quoted ones included. Default 128.
    pub brackets_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { script_bytes_max: 32_768, depth_max: 12, commands_max: 512, words_max: 4_096, brackets_max: 128 }
    }
}
