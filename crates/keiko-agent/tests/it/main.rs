//! The loop where it is: a goal, answers of a model and what comes of actions go in, one line per event comes out.

mod endings;
mod kit;
mod prompts;
mod resumed;
