use std::collections::{BTreeMap, BTreeSet};

use orchestrator_models::{ErrorKind, ProviderError};
use orchestrator_transcript::{Content, Delta, StreamEvent};
use serde::Deserialize;
use serde_json::Value;

use crate::blocks::{Blocks, Place};

/// The items of an answer. What came in pieces is not taken again when its item is told as a whole.
#[derive(Debug, Default)]
pub(super) struct Items {
    pub(super) blocks: Blocks,
    pub(super) refusal: String,
    calls: BTreeMap<u32, Call>,
    said: BTreeSet<Place>,
    refused: BTreeSet<u32>,
    summaries: BTreeMap<u32, u32>,
}

#[derive(Debug)]
struct Call {
    block: u32,
    is_argued: bool,
}

#[derive(Debug, Deserialize)]
struct FunctionCall {
    call_id: String,
    name: String,
    #[serde(default)]
    arguments: String,
}

impl Items {
    pub(super) fn has_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    pub(super) fn text(&mut self, item: u32, part: u32, delta: String, out: &mut Vec<StreamEvent>) {
        let place = Place::Text(item, part);
        self.said.insert(place);
        self.blocks.say(place, Delta::Text(delta), out);
    }

    pub(super) fn refuse(&mut self, item: u32, delta: &str) {
        self.refused.insert(item);
        self.refusal.push_str(delta);
    }

    /// Parts of a summary are paragraphs.
    pub(super) fn think(&mut self, item: u32, part: u32, delta: String, out: &mut Vec<StreamEvent>) {
        let place = Place::Thinking(item);
        let before = self.summaries.insert(item, part);
        if before.is_some_and(|before| before != part) {
            self.blocks.say(place, Delta::Thinking("\n\n".into()), out);
        }
        self.said.insert(place);
        self.blocks.say(place, Delta::Thinking(delta), out);
    }

    pub(super) fn argue(&mut self, item: u32, delta: String, out: &mut Vec<StreamEvent>) -> Result<(), ProviderError> {
        let unknown = || ProviderError::new(ErrorKind::Malformed, "arguments of a call that has not begun");
        let call = self.calls.get_mut(&item).ok_or_else(unknown)?;
        call.is_argued = true;
        Blocks::argue(call.block, delta, out);
        Ok(())
    }

    /// An item begins. Only calls say something already.
    pub(super) fn begin(&mut self, at: u32, item: &Value, out: &mut Vec<StreamEvent>) -> Result<(), ProviderError> {
        if item["type"] == "function_call" {
            self.call(at, item, out)?;
        }
        Ok(())
    }

    /// An item is whole.
    pub(super) fn end(&mut self, at: u32, item: Value, out: &mut Vec<StreamEvent>) -> Result<(), ProviderError> {
        match item["type"].as_str().unwrap_or_default() {
            "message" => {
                self.message(at, &item, out);
                self.blocks.close_flow(out);
            }
            "reasoning" => {
                self.reasoning(at, &item, out);
                self.blocks.close_flow(out);
            }
            "function_call" => {
                let arguments = self.call(at, &item, out)?;
                if let Some(call) = self.calls.get_mut(&at) {
                    if !std::mem::replace(&mut call.is_argued, true) {
                        Blocks::argue(call.block, arguments, out);
                    }
                    self.blocks.close_call(call.block, out);
                }
            }
            // Provider is filled in by whoever knows its name.
            _ => self.blocks.whole(Content::Opaque { provider: String::new(), value: item }, out),
        }
        Ok(())
    }

    fn call(&mut self, at: u32, item: &Value, out: &mut Vec<StreamEvent>) -> Result<String, ProviderError> {
        let call = FunctionCall::deserialize(item).map_err(|error| crate::stream::malformed(&error))?;
        if !self.calls.contains_key(&at) {
            let block = self.blocks.call(call.call_id, call.name, out);
            self.calls.insert(at, Call { block, is_argued: false });
        }
        Ok(call.arguments)
    }

    fn message(&mut self, at: u32, item: &Value, out: &mut Vec<StreamEvent>) {
        for (index, part) in (0..).zip(parts(item, "content")) {
            if let Some(text) = part["text"].as_str().filter(|_| !self.said.contains(&Place::Text(at, index))) {
                self.text(at, index, text.to_owned(), out);
            }
            if let Some(refusal) = part["refusal"].as_str().filter(|_| !self.refused.contains(&at)) {
                self.refuse(at, refusal);
            }
        }
    }

    fn reasoning(&mut self, at: u32, item: &Value, out: &mut Vec<StreamEvent>) {
        if !self.said.contains(&Place::Thinking(at)) {
            let texts = parts(item, "summary").iter().chain(parts(item, "content"));
            for (index, text) in (0..).zip(texts.filter_map(|part| part["text"].as_str())) {
                self.think(at, index, text.to_owned(), out);
            }
        }
        if let Some(encrypted) = item["encrypted_content"].as_str() {
            self.blocks.say(Place::Thinking(at), Delta::Signature(encrypted.to_owned()), out);
        }
    }
}

fn parts<'a>(item: &'a Value, key: &str) -> &'a [Value] {
    item[key].as_array().map(Vec::as_slice).unwrap_or_default()
}
