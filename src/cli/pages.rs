//! Completions and man pages, from the one definition of the command line.

use std::path::Path;

use super::{Error, terminal, tree};

pub(super) fn completions(shell: clap_complete::Shell) -> Result<(), Error> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut tree(), "sallyport", &mut text);
    terminal::out(&String::from_utf8_lossy(&text))
}

/// The page of all, or a page for each command into `folder`.
pub(super) fn man(folder: Option<&Path>) -> Result<(), Error> {
    match folder {
        Some(folder) => {
            clap_mangen::generate_to(tree(), folder).map_err(|source| Error::File { path: folder.to_owned(), source })
        }
        None => {
            let mut text = Vec::new();
            clap_mangen::Man::new(tree()).render(&mut text).map_err(Error::Terminal)?;
            terminal::out(&String::from_utf8_lossy(&text))
        }
    }
}
