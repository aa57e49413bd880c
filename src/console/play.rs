//! x
use super::{Visit, Error};
use super::io::Ears;
use super::line::Play;
impl Visit<'_> {
    pub(super) async fn play(&self, play: &Play, _ears: &mut Ears<'_>) -> Result<(), Error> {
        let _ = play; Ok(())
    }
}
