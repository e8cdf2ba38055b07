//! One socket of a kernel.

use super::connection::{Connection, Port};
use super::wire::{self, Heard, Key};
use super::zmtp::{self, Decoder, Incoming};
use jupyter_protocol::messaging::JupyterMessage;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

const READ_BYTES: usize = 64 << 10;

/// A connected socket, after the handshake.
#[derive(Debug)]
pub(super) struct Channel {
    stream: UnixStream,
    decoder: Decoder,
    buffer: Vec<u8>,
    key: Key,
}

/// What a channel brings.
#[derive(Debug)]
pub(super) enum Brought {
    /// A message signed with our key.
    Heard(Box<Heard>),
    /// One too large to be kept, of so many bytes.
    TooLarge(u64),
}

impl Channel {
    pub(super) async fn open(connection: &Connection, port: Port) -> io::Result<Channel> {
        let stream = connection.connect(port).await?;
        let mut channel = Channel {
            stream,
            decoder: Decoder::new(),
            buffer: vec![0; READ_BYTES],
            key: connection.key.clone(),
        };
        let kind = if port == Port::Iopub { "SUB" } else { "DEALER" };
        channel.stream.write_all(&zmtp::greeting()).await?;
        channel.stream.write_all(&zmtp::ready(kind)).await?;
        while channel.incoming().await? != Incoming::Command {}
        if port == Port::Iopub {
            // Subscribes to every topic.
            channel.stream.write_all(&zmtp::message(&[b"\x01"])).await?;
        }
        Ok(channel)
    }

    pub(super) async fn send(&mut self, message: &JupyterMessage) -> io::Result<()> {
        let frames = wire::seal(&self.key, message)?;
        let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        self.stream.write_all(&zmtp::message(&frames)).await
    }

    /// The next message that is really the kernel's; what is not signed or not understood is passed over. May be dropped
    /// at any time without losing anything.
    pub(super) async fn next(&mut self) -> io::Result<Brought> {
        loop {
            match self.incoming().await? {
                Incoming::Message(frames) => {
                    if let Some(heard) = wire::open(&self.key, &frames) {
                        return Ok(Brought::Heard(Box::new(heard)));
                    }
                }
                Incoming::TooLarge(bytes) => return Ok(Brought::TooLarge(bytes)),
                Incoming::Command => {}
            }
            // A flood of nonsense must not keep the others of this thread, or the time limit, waiting.
            tokio::task::yield_now().await;
        }
    }

    async fn incoming(&mut self) -> io::Result<Incoming> {
        loop {
            let next = self
                .decoder
                .next()
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
            if let Some(incoming) = next {
                return Ok(incoming);
            }
            let count = self.stream.read(&mut self.buffer).await?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.decoder.push(&self.buffer[..count]);
        }
    }
}
