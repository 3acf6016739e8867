use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// The body of an answer, with the connection that it comes by: whoever reads it drives that, and whoever drops it ends it.
pub(super) struct Driven<C> {
    pub(super) connection: Pin<Box<C>>,
    pub(super) body: Incoming,
}

impl<C: Future> Body for Driven<C> {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let _: Poll<_> = self.connection.poll_unpin(context);
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
