use orchestrator_transcript::{Content, Delta, Opening, StreamEvent};

/// Where in the provider's answer something is said: which item, and which part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Text(u32, u32),
    Thinking(u32),
}

/// Gives blocks their places: in the order in which they begin. What flows (text and thinking) is closed when something else
/// begins; calls of tools stay open, because their arguments may come in turns.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    next: u32,
    flow: Option<(Place, u32)>,
    calls: Vec<u32>,
}

impl Blocks {
    /// More of a text or of thinking.
    pub(crate) fn say(&mut self, place: Place, delta: Delta, out: &mut Vec<StreamEvent>) {
        if delta.as_str().is_empty() {
            return;
        }
        let index = match self.flow {
            Some((flowing, index)) if flowing == place => index,
            _ => {
                let opening = match place {
                    Place::Text(..) => Opening::Text,
                    Place::Thinking(_) => Opening::Thinking,
                };
                let index = self.open(opening, out);
                self.flow = Some((place, index));
                index
            }
        };
        out.push(StreamEvent::Delta { index, delta });
    }

    /// A call begins.
    pub(crate) fn call(&mut self, id: String, name: String, out: &mut Vec<StreamEvent>) -> u32 {
        let index = self.open(Opening::ToolCall { id, name }, out);
        self.calls.push(index);
        index
    }

    /// More of its arguments.
    pub(crate) fn argue(index: u32, written: String, out: &mut Vec<StreamEvent>) {
        if !written.is_empty() {
            out.push(StreamEvent::Delta { index, delta: Delta::Arguments(written) });
        }
    }

    /// A block that comes at once.
    pub(crate) fn whole(&mut self, content: Content, out: &mut Vec<StreamEvent>) {
        let index = self.open(Opening::Whole { content }, out);
        out.push(StreamEvent::BlockStop { index });
    }

    /// A call is whole.
    pub(crate) fn close_call(&mut self, index: u32, out: &mut Vec<StreamEvent>) {
        if let Some(at) = self.calls.iter().position(|call| *call == index) {
            self.calls.remove(at);
            out.push(StreamEvent::BlockStop { index });
        }
    }

    /// What flows is whole.
    pub(crate) fn close_flow(&mut self, out: &mut Vec<StreamEvent>) {
        if let Some((_, index)) = self.flow.take() {
            out.push(StreamEvent::BlockStop { index });
        }
    }

    /// Everything is.
    pub(crate) fn close(&mut self, out: &mut Vec<StreamEvent>) {
        self.close_flow(out);
        out.extend(self.calls.drain(..).map(|index| StreamEvent::BlockStop { index }));
    }

    /// How many blocks there are.
    pub(crate) const fn count(&self) -> u32 {
        self.next
    }

    fn open(&mut self, block: Opening, out: &mut Vec<StreamEvent>) -> u32 {
        self.close_flow(out);
        let index = self.next;
        self.next += 1;
        out.push(StreamEvent::BlockStart { index, block });
        index
    }
}
