//! What a model can read and write at once, as far as it is known.

/// What has been learnt of the model in this run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// At most so many tokens are written at once.
    pub output: Option<u32>,
}
