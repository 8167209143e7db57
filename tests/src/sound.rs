//! What telephones hear and say: sounds in WAV files of one channel and 16-bit samples.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

/// Of RIFF, the format chunk and the data chunk's head, as the telephones here write them.
const HEADER: usize = 44;
/// Quieter samples are not part of a tone.
const AUDIBLE: u16 = 500;

/// A sound of one channel.
pub struct Sound {
    /// Samples per second.
    rate: u32,
    samples: Vec<i16>,
}

impl Sound {
    /// A sine of `frequency` Hz for `seconds`, at 8 kHz.
    pub fn sine(frequency: u32, seconds: u32) -> Sound {
        let rate = 8000;
        let step = std::f64::consts::TAU * f64::from(frequency) / f64::from(rate);
        let samples = (0..rate * seconds)
            .map(|index| (f64::from(index) * step).sin() * 12_000.0)
            .map(|level| level as i16)
            .collect();
        Sound { rate, samples }
    }

    /// Of a WAV file. Fails if it is not of one channel and 16-bit samples.
    pub fn read(path: &Path) -> Result<Sound> {
        let bytes = std::fs::read(path)?;
        let (header, data) = bytes
            .split_at_checked(HEADER)
            .with_context(|| format!("{}: only {} bytes", path.display(), bytes.len()))?;
        let half = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        let (channels, bits) = (half(22), half(34));
        ensure!(
            header.starts_with(b"RIFF") && (channels, bits) == (1, 16),
            "{}: {channels} channels of {bits} bits",
            path.display()
        );
        let rate = u32::from(half(24)) | u32::from(half(26)) << 16;
        let samples = data.as_chunks::<2>().0.iter();
        let samples = samples.map(|bytes| i16::from_le_bytes(*bytes)).collect();
        Ok(Sound { rate, samples })
    }

    /// As a WAV file.
    pub fn write(&self, path: &Path) -> Result<()> {
        let length = 2 * self.samples.len() as u32;
        let mut bytes = Vec::with_capacity(HEADER + 2 * self.samples.len());
        bytes.extend(b"RIFF");
        bytes.extend((length + HEADER as u32 - 8).to_le_bytes());
        bytes.extend(b"WAVEfmt ");
        bytes.extend(16u32.to_le_bytes());
        bytes.extend([1u16, 1].iter().flat_map(|half| half.to_le_bytes()));
        bytes.extend(self.rate.to_le_bytes());
        bytes.extend((2 * self.rate).to_le_bytes());
        bytes.extend([2u16, 16].iter().flat_map(|half| half.to_le_bytes()));
        bytes.extend(b"data");
        bytes.extend(length.to_le_bytes());
        bytes.extend(self.samples.iter().flat_map(|sample| sample.to_le_bytes()));
        Ok(std::fs::write(path, bytes)?)
    }

    /// Frequency of what is to be heard, Hz, and for how long, s.
    pub fn tone(&self) -> Result<(f64, f64)> {
        self.frequency(audible(&self.samples)?)
    }

    /// Frequency of the last second that is to be heard, Hz.
    pub fn last_tone(&self) -> Result<f64> {
        let all = audible(&self.samples)?;
        let last = &all[all.len().saturating_sub(self.rate as usize)..];
        Ok(self.frequency(last)?.0)
    }

    /// Upward zero crossings per second, and the seconds.
    fn frequency(&self, samples: &[i16]) -> Result<(f64, f64)> {
        let tone = audible(samples)?;
        let crossings = tone
            .windows(2)
            .filter(|pair| pair[0] < 0 && pair[1] >= 0)
            .count();
        let seconds = tone.len() as f64 / f64::from(self.rate);
        Ok((crossings as f64 / seconds, seconds))
    }
}

/// Without the silence at both ends, which is not part of the tone.
fn audible(samples: &[i16]) -> Result<&[i16]> {
    let is_loud = |sample: &i16| sample.unsigned_abs() > AUDIBLE;
    let first = samples.iter().position(is_loud);
    let last = samples.iter().rposition(is_loud);
    let (first, last) = first.zip(last).context("nothing was heard")?;
    Ok(&samples[first..=last])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // A test: to fail is what it is for.
mod tests {
    use super::*;

    #[test]
    fn a_tone_that_was_written_is_heard_when_read() {
        let path = std::env::temp_dir().join(format!("trunkline-tone-{}.wav", std::process::id()));
        Sound::sine(440, 2).write(&path).unwrap();
        let sound = Sound::read(&path);
        std::fs::remove_file(&path).unwrap();
        let sound = sound.unwrap();
        let (frequency, seconds) = sound.tone().unwrap();
        assert!((frequency - 440.0).abs() < 1.0, "{frequency}");
        assert!((seconds - 2.0).abs() < 0.01, "{seconds}");
        assert!((sound.last_tone().unwrap() - 440.0).abs() < 1.0);
    }

    #[test]
    fn silence_is_no_tone() {
        let sound = Sound {
            rate: 8000,
            samples: vec![3; 8000],
        };
        assert!(sound.tone().is_err());
    }
}
