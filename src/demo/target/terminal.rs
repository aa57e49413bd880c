//! A terminal of the demo target: its size and its modes.
//!
//! Knows the opcodes of RFC 4254 §8 and this system's terminals; opens none.

use std::os::fd::AsFd;

use pty_process::Size;
use russh::Pty;
use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, tcgetattr, tcsetattr,
};

/// A terminal as a client asked for it.
pub(super) struct Terminal {
    pub(super) term: String,
    pub(super) size: Size,
    pub(super) modes: Vec<(Pty, u32)>,
}

pub(super) fn size(columns: u32, rows: u32, width: u32, height: u32) -> Size {
    let fit = |n| u16::try_from(n).unwrap_or(u16::MAX);
    Size::new_with_pixel(fit(rows), fit(columns), fit(width), fit(height))
}

/// Best effort: what this system's terminals do not know is left out.
pub(super) fn set_modes(terminal: impl AsFd, modes: &[(Pty, u32)]) -> std::io::Result<()> {
    let mut attributes = tcgetattr(&terminal)?;
    for (mode, value) in modes {
        let on = *value != 0;
        let mut input = |flag| attributes.input_modes.set(flag, on);
        match mode {
            Pty::IGNPAR => input(InputModes::IGNPAR),
            Pty::PARMRK => input(InputModes::PARMRK),
            Pty::INPCK => input(InputModes::INPCK),
            Pty::ISTRIP => input(InputModes::ISTRIP),
            Pty::INLCR => input(InputModes::INLCR),
            Pty::IGNCR => input(InputModes::IGNCR),
            Pty::ICRNL => input(InputModes::ICRNL),
            Pty::IXON => input(InputModes::IXON),
            Pty::IXANY => input(InputModes::IXANY),
            Pty::IXOFF => input(InputModes::IXOFF),
            Pty::IMAXBEL => input(InputModes::IMAXBEL),
            Pty::IUTF8 => input(InputModes::IUTF8),
            Pty::ISIG => attributes.local_modes.set(LocalModes::ISIG, on),
            Pty::ICANON => attributes.local_modes.set(LocalModes::ICANON, on),
            Pty::ECHO => attributes.local_modes.set(LocalModes::ECHO, on),
            Pty::ECHOE => attributes.local_modes.set(LocalModes::ECHOE, on),
            Pty::ECHOK => attributes.local_modes.set(LocalModes::ECHOK, on),
            Pty::ECHONL => attributes.local_modes.set(LocalModes::ECHONL, on),
            Pty::NOFLSH => attributes.local_modes.set(LocalModes::NOFLSH, on),
            Pty::TOSTOP => attributes.local_modes.set(LocalModes::TOSTOP, on),
            Pty::IEXTEN => attributes.local_modes.set(LocalModes::IEXTEN, on),
            Pty::ECHOCTL => attributes.local_modes.set(LocalModes::ECHOCTL, on),
            Pty::ECHOKE => attributes.local_modes.set(LocalModes::ECHOKE, on),
            Pty::OPOST => attributes.output_modes.set(OutputModes::OPOST, on),
            Pty::ONLCR => attributes.output_modes.set(OutputModes::ONLCR, on),
            Pty::OCRNL => attributes.output_modes.set(OutputModes::OCRNL, on),
            Pty::ONOCR => attributes.output_modes.set(OutputModes::ONOCR, on),
            Pty::ONLRET => attributes.output_modes.set(OutputModes::ONLRET, on),
            Pty::CS8 if on => attributes.control_modes.insert(ControlModes::CS8),
            other => {
                if let Some(index) = special_code(*other) {
                    // 255 means "disabled" on the wire, 0 does on Linux.
                    let code = u8::try_from(*value).unwrap_or(u8::MAX);
                    attributes.special_codes[index] = if code == u8::MAX { 0 } else { code };
                }
            }
        }
    }
    Ok(tcsetattr(terminal, OptionalActions::Now, &attributes)?)
}

fn special_code(mode: Pty) -> Option<SpecialCodeIndex> {
    Some(match mode {
        Pty::VINTR => SpecialCodeIndex::VINTR,
        Pty::VQUIT => SpecialCodeIndex::VQUIT,
        Pty::VERASE => SpecialCodeIndex::VERASE,
        Pty::VKILL => SpecialCodeIndex::VKILL,
        Pty::VEOF => SpecialCodeIndex::VEOF,
        Pty::VEOL => SpecialCodeIndex::VEOL,
        Pty::VEOL2 => SpecialCodeIndex::VEOL2,
        Pty::VSTART => SpecialCodeIndex::VSTART,
        Pty::VSTOP => SpecialCodeIndex::VSTOP,
        Pty::VSUSP => SpecialCodeIndex::VSUSP,
        Pty::VREPRINT => SpecialCodeIndex::VREPRINT,
        Pty::VWERASE => SpecialCodeIndex::VWERASE,
        Pty::VLNEXT => SpecialCodeIndex::VLNEXT,
        Pty::VDISCARD => SpecialCodeIndex::VDISCARD,
        _ => return None,
    })
}
