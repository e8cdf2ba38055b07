//! What servers say of their sizes when a request is too large, and what is remembered of it for later runs.

use keiko_contracts::id::ModelName;
use keiko_contracts::model::Window;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::Mutex;

/// Largest file of what is remembered, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// Most models that are remembered.
const MODELS_MAX: usize = 1_000;

/// Sizes that can be: fewer tokens hold no conversation, more hold any.
const SIZES: std::ops::Range<u32> = 128..100_000_000;

/// Where the size of the context stands, in lower case, by the words before it.
const CONTEXT: &[&str] = &[
    "maximum context length is ",
    "maximum context length of ",
    "context length of only ",
    "reached context length of ",
    "model's context length (",
    "with context length of ",
    "maximum allowed length (",
    "available context size (",
    "context window of ",
    "context window is ",
    "configured limit of ",
    "number of tokens allowed (",
    "`max_new_tokens` must be <= ",
    "tokens in the context (",
    "n_ctx ",
    "n_ctx = ",
    "num_ctx ",
    "context length ",
    "context size ",
    "context limit of ",
];

/// Where what was asked for stands, by the words before it.
const ASKED: &[&str] = &[
    "messages resulted in ",
    "prompt contains at least ",
    "prompt contains ",
    "your request has ",
    "request (",
    "keep the first ",
    "requested tokens (",
    "prompt is too long: ",
    "exceed context limit: ",
    "input token count (",
    "the input (",
    "input length (",
    "total of ",
    "given: ",
    "n_prompt_tokens ",
];

/// And by the words after it, which go before the others: what is to be written is not part of it.
const ASKED_BEFORE: &[&str] = &[
    " in the messages",
    " tokens from the input messages",
    " input tokens",
];

/// Where the most that is written stands, by the words before it.
const OUTPUT: &[&str] = &[
    "supports at most ",
    "less than or equal to ",
    "expected a value <= ",
    "valid range of max_tokens is [1, ",
];

/// What a refusal says of the sizes; `None` when it is about something else.
#[must_use]
pub fn learn(kind: &str, message: &str) -> Option<Window> {
    let text = message.to_lowercase();
    if let Some(output) = output_of(&text) {
        return Some(Window {
            output: Some(output),
            ..Window::default()
        });
    }
    if !is_too_long(kind, &text) {
        return None;
    }
    let after = |all: &[&str]| all.iter().find_map(|words| number_after(&text, words));
    // `prompt is too long: 210000 tokens > 200000 maximum`, `190000 + 20000 > 200000`, `32768 maximum context length`.
    let compared = || {
        text.split_once(" > ")
            .and_then(|(_, rest)| first_number(rest))
            .filter(|_| !text.contains("(8192 > "))
    };
    let context = after(CONTEXT)
        .or_else(|| number_before(&text, " maximum context length"))
        .or_else(compared);
    let asked = ASKED_BEFORE
        .iter()
        .find_map(|words| number_before(&text, words))
        .or_else(|| after(ASKED));
    Some(Window {
        context,
        output: None,
        asked,
    })
}

/// Whether a refusal is about the length of the request.
fn is_too_long(kind: &str, text: &str) -> bool {
    const KINDS: &[&str] = &["context_length_exceeded", "exceed_context_size_error"];
    const WORDS: &[&str] = &[
        "context length",
        "maximum context",
        "context window",
        "prompt is too long",
        "context size",
        "context limit",
        "context overflow",
        "when context the overflows",
        "input token count",
        "maximum allowed length",
        "max_new_tokens` must be",
        "input is too long",
        "prompt too long",
        "exceeds the limit of tokens",
        "input tokens exceed",
        "n_ctx",
    ];
    KINDS.contains(&kind) || WORDS.iter().any(|words| text.contains(words))
}

/// The most that is written at once, when that is what the refusal is about.
fn output_of(text: &str) -> Option<u32> {
    let about = [
        "max_tokens",
        "max_completion_tokens",
        "max_output_tokens",
        "completion tokens",
        "output tokens",
    ];
    if !about.iter().any(|word| text.contains(word)) {
        return None;
    }
    // `max_tokens: 16384 > 8192, which is the maximum allowed number of output tokens for …`
    let allowed = || {
        let (before, _) =
            text.split_once(", which is the maximum allowed number of output tokens")?;
        last_number(before)
    };
    OUTPUT
        .iter()
        .find_map(|words| number_after(text, words))
        .or_else(allowed)
}

fn number_after(text: &str, words: &str) -> Option<u32> {
    let at = text.find(words)? + words.len();
    let rest = text[at..].trim_start_matches(['`', '\'', '"', '(', '=', ':', ' ']);
    rest.starts_with(|c: char| c.is_ascii_digit())
        .then(|| first_number(rest))
        .flatten()
}

fn number_before(text: &str, words: &str) -> Option<u32> {
    let before = text[..text.find(words)?].trim_end();
    let before = before.strip_suffix("tokens").unwrap_or(before).trim_end();
    before
        .ends_with(|c: char| c.is_ascii_digit())
        .then(|| last_number(before))
        .flatten()
}

fn first_number(text: &str) -> Option<u32> {
    let digits: String = text
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(|c| c.is_ascii_digit() || *c == ',')
        .filter(|c| *c != ',')
        .take(12)
        .collect();
    digits.parse().ok().filter(|n| SIZES.contains(n))
}

fn last_number(text: &str) -> Option<u32> {
    let tail: Vec<char> = text
        .chars()
        .rev()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(|c| c.is_ascii_digit() || *c == ',')
        .take(12)
        .collect();
    let digits: String = tail.into_iter().rev().filter(|c| *c != ',').collect();
    digits.parse().ok().filter(|n| SIZES.contains(n))
}

/// The context of a server that cuts a prompt without a word: it then counts a round number of tokens, or half of one and a
/// few more, while far more were sent.
#[must_use]
pub fn cut_in_silence(sent_bytes: usize, counted: u64) -> Option<u32> {
    // At most a fifth of a token for each byte: code and English have more.
    if counted < 1_000 || counted * 10 > (sent_bytes as u64 / 5) * 6 {
        return None;
    }
    (10..=18)
        .map(|power| 1_u64 << power)
        .find_map(|size| match counted.abs_diff(size) {
            0..=16 if counted <= size => u32::try_from(size).ok(),
            // What is kept at the beginning comes on top of half of the context.
            1..=16 => u32::try_from(size * 2).ok(),
            _ => None,
        })
}

/// What is remembered of models, in a file. It is advice: a file that cannot be read is an empty one.
#[derive(Debug)]
pub struct Memory {
    path: PathBuf,
    known: Mutex<Option<BTreeMap<String, Window>>>,
}

impl Memory {
    /// In this file, which is made when there is something to remember.
    #[must_use]
    pub fn new(path: PathBuf) -> Memory {
        Memory {
            path,
            known: Mutex::default(),
        }
    }

    /// What is known of a model.
    #[must_use]
    pub fn of(&self, model: &ModelName) -> Window {
        self.with(|known| known.get(&model.to_string()).copied().unwrap_or_default())
    }

    /// Remembers what was said of a model, if it holds a size.
    pub fn learn(&self, model: &ModelName, said: Window) {
        if said.context.is_none() && said.output.is_none() {
            return;
        }
        let all = self.with(|known| {
            let before = known.get(&model.to_string()).copied().unwrap_or_default();
            let now = Window {
                context: said.context.or(before.context),
                output: said.output.or(before.output),
                asked: None,
            };
            if now == before || known.len() >= MODELS_MAX {
                return None;
            }
            known.insert(model.to_string(), now);
            Some(known.clone())
        });
        if let Some(all) = all {
            self.write(&all);
        }
    }

    /// Forgets a model: its server may have been set up anew.
    pub fn forget(&self, model: &ModelName) {
        let all = self.with(|known| known.remove(&model.to_string()).map(|_| known.clone()));
        if let Some(all) = all {
            self.write(&all);
        }
    }

    fn with<T>(&self, f: impl FnOnce(&mut BTreeMap<String, Window>) -> T) -> T {
        let mut known = self
            .known
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        f(known.get_or_insert_with(|| self.read()))
    }

    fn read(&self) -> BTreeMap<String, Window> {
        let mut text = String::new();
        let file = std::fs::File::open(&self.path)
            .ok()
            .filter(|file| file.metadata().is_ok_and(|meta| meta.is_file()));
        let read = file.and_then(|file| file.take(FILE_MAX).read_to_string(&mut text).ok());
        let known: BTreeMap<String, Window> = read
            .and_then(|_| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        let sane = |size: Option<u32>| size.is_none_or(|size| SIZES.contains(&size));
        known
            .into_iter()
            .filter(|(_, window)| sane(window.context) && sane(window.output))
            .take(MODELS_MAX)
            .collect()
    }

    /// Through a file of its own, which is renamed. Another process may write at the same time: the last one holds.
    fn write(&self, all: &BTreeMap<String, Window>) {
        let part = self
            .path
            .with_extension(format!("part-{}", std::process::id()));
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let text = serde_json::to_vec_pretty(all).unwrap_or_default();
        let written = options
            .open(&part)
            .and_then(|mut file| file.write_all(&text))
            .and_then(|()| std::fs::rename(&part, &self.path));
        if let Err(error) = written {
            tracing::debug!(%error, "what a model's server said of its sizes is not remembered");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The words of each server, with the thread that reports them: context, asked, output.
    type Sizes = (u32, u32, u32);

    const SAID: &[(&str, &str, &str, Sizes)] = &[
        (
            "ChatGPTNextWeb/NextChat#3195",
            "context_length_exceeded",
            "This model's maximum context length is 8192 tokens. However, you requested 8256 tokens (64 in the messages, 8192 in the completion). Please reduce the length of the messages or completion.",
            (8192, 0, 0),
        ),
        (
            "bytedance/deer-flow#310",
            "context_length_exceeded",
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 202868 tokens (202767 in the messages, 101 in the functions). Please reduce the length of the messages or functions.",
            (128_000, 202_767, 0),
        ),
        (
            "vllm-project/vllm#20409",
            "BadRequestError",
            "This model's maximum context length is 16384 tokens. However, you requested 122946 tokens (112946 in the messages, 10000 in the completion). Please reduce the length of the messages or completion.",
            (16_384, 112_946, 0),
        ),
        (
            "AIDotNet/OpenCowork#82",
            "BadRequestError",
            "This model's maximum context length is 131072 tokens. However, you requested 102400 output tokens and your prompt contains at least 28673 input tokens, for a total of at least 131073 tokens. Please reduce the length of the input prompt or the number of requested output tokens. (parameter=input_tokens, value=28673)",
            (131_072, 28_673, 0),
        ),
        (
            "ggml-org/llama.cpp#19774",
            "exceed_context_size_error",
            "request (4390 tokens) exceeds the available context size (4096 tokens), try increasing it",
            (4096, 4390, 0),
        ),
        (
            "ggml-org/llama.cpp#15780",
            "exceed_context_size_error",
            "the request exceeds the available context size. try increasing the context size or enable context shift (n_prompt_tokens 1407, n_ctx 256)",
            (256, 1407, 0),
        ),
        (
            "ggml-org/llama.cpp#19774, status 500",
            "server_error",
            "Context size has been exceeded.",
            (0, 0, 0),
        ),
        (
            "abetlen/llama-cpp-python#416",
            "",
            "Requested tokens (2285) exceed context window of 2048",
            (2048, 2285, 0),
        ),
        (
            "cline/cline#3664",
            "",
            "Trying to keep the first 10136 tokens when context the overflows. However, the model is loaded with context length of only 7866 tokens, which is not enough. Try to load the model with a larger context length, or provide a shorter input",
            (7866, 10_136, 0),
        ),
        (
            "lmstudio-ai/lmstudio-bug-tracker#1251",
            "",
            "Reached context length of 4096 tokens with model (arch: qwen3vlmoe) that does not currently support mid-generation context overflow. Try reloading with a larger context length or shortening the prompt/chat.",
            (4096, 0, 0),
        ),
        (
            "QwenLM/Qwen3#1321",
            "BadRequestError",
            "The input (61709 tokens) is longer than the model's context length (40960 tokens).",
            (40_960, 61_709, 0),
        ),
        (
            "sgl-project/sglang#4048",
            "",
            "Input length (160062 tokens) exceeds the maximum allowed length (59862 tokens).",
            (59_862, 160_062, 0),
        ),
        (
            "Anthropic",
            "invalid_request_error",
            "prompt is too long: 210000 tokens > 200000 maximum",
            (200_000, 210_000, 0),
        ),
        (
            "Anthropic",
            "invalid_request_error",
            "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length or `max_tokens` and try again",
            (200_000, 190_000, 0),
        ),
        (
            "Gemini",
            "INVALID_ARGUMENT",
            "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).",
            (1_048_576, 1_048_577, 0),
        ),
        (
            "Groq",
            "context_length_exceeded",
            "Please reduce the length of the messages or completion.",
            (0, 0, 0),
        ),
        (
            "tailcallhq/forgecode#1185",
            "invalid_value",
            "max_tokens is too large: 20480. This model supports at most 16384 completion tokens, whereas you provided 20480.",
            (0, 0, 16_384),
        ),
        (
            "Gitlawb/openclaude#331",
            "InvalidParameter",
            "The parameter `max_completion_tokens` specified in the request are not valid: integer above maximum value, expected a value <= 12288, but got 32000 instead.",
            (0, 0, 12_288),
        ),
        (
            "Anthropic",
            "invalid_request_error",
            "max_tokens: 16384 > 8192, which is the maximum allowed number of output tokens for claude-3-5-haiku",
            (0, 0, 8192),
        ),
    ];

    #[test]
    fn what_servers_say_is_understood() {
        for (thread, kind, message, (context, asked, output)) in SAID {
            let some = |n: u32| (n > 0).then_some(n);
            let want = Window {
                context: some(*context),
                asked: some(*asked),
                output: some(*output),
            };
            assert_eq!(learn(kind, message), Some(want), "{thread}: {message}");
        }
        for (kind, message) in [
            ("rate_limit", "Too many requests"),
            ("invalid_request_error", "max_tokens: field required"),
            ("", ""),
        ] {
            assert_eq!(learn(kind, message), None, "{message}");
        }
    }

    #[test]
    fn a_prompt_that_was_cut_in_silence_is_noticed() {
        // ollama/ollama#17889, esengine/DeepSeek-Reasonix#10245 and RooCodeInc/Roo-Code#1372.
        assert_eq!(cut_in_silence(60_000, 2050), Some(4096));
        assert_eq!(cut_in_silence(60_000, 2051), Some(4096));
        assert_eq!(cut_in_silence(60_000, 2048), Some(2048));
        assert_eq!(cut_in_silence(60_000, 12_000), None, "it was read whole");
        assert_eq!(
            cut_in_silence(60_000, 3_000),
            None,
            "an older server counts only what it had not read before"
        );
        assert_eq!(cut_in_silence(60_000, 0), None);
    }

    #[test]
    fn what_was_learnt_is_remembered_until_it_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("models.json");
        let (model, other): (ModelName, ModelName) = (
            "ollama/qwen3".parse().unwrap(),
            "ollama/other".parse().unwrap(),
        );
        let said = Window {
            context: Some(4096),
            output: None,
            asked: Some(9000),
        };
        Memory::new(path.clone()).learn(&model, said);
        let memory = Memory::new(path.clone());
        assert_eq!(
            memory.of(&model),
            Window {
                asked: None,
                ..said
            }
        );
        assert!(memory.of(&other).is_unknown());
        memory.learn(
            &model,
            Window {
                output: Some(2048),
                ..Window::default()
            },
        );
        assert_eq!(
            memory.of(&model),
            Window {
                context: Some(4096),
                output: Some(2048),
                asked: None
            }
        );
        memory.forget(&model);
        assert!(Memory::new(path.clone()).of(&model).is_unknown());
        std::fs::write(&path, "{\"ollama/qwen3\":{\"context\":0}, not json").unwrap();
        assert!(Memory::new(path).of(&model).is_unknown());
    }

    proptest! {
        #[test]
        fn any_words_are_read_without_a_panic(text in "(context length|max_tokens| > |[0-9,]{0,14}|\\PC){0,20}") {
            let _ = learn("", &text);
        }
    }
}
