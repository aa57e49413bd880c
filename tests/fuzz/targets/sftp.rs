#![no_main]
//! SFTP, followed: whatever both sides say, and however it is cut, nothing that passes is changed or made up.

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sallyport::domain::files::Reach;
use sallyport::gateway::ssh::sftp::conversation::Conversation;

fuzz_target!(|pieces: Vec<(bool, Vec<u8>)>| {
    let mut conversation = Conversation::new(Reach::default());
    let (mut came, mut went) = (0, 0);
    for (from_client, piece) in pieces {
        if from_client {
            came += piece.len();
            let Ok(passed) = conversation.requests(&Bytes::from(piece)) else { break };
            went += passed.forward.iter().map(Bytes::len).sum::<usize>();
            // What is held back is at most one request.
            assert!(went <= came);
        } else if conversation.answers(Bytes::from(piece)).is_err() {
            break;
        }
    }
    conversation.end();
});
