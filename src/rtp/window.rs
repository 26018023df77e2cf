//! Which of the last numbers of a rising count are marked: packets that were seen, sent or left out.

/// Numbers that a [`Window`] remembers: the newest and those before it.
pub const SPAN: u64 = 1024;

/// Bits of a word.
const WORD: u64 = 64;

/// Which of the last [`SPAN`] numbers are marked.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    newest: u64,
    /// The bit of a number stands at its remainder by [`SPAN`].
    words: [u64; (SPAN / WORD) as usize],
}

impl Window {
    /// A window up to this number, in which nothing is marked.
    pub fn new(newest: u64) -> Window {
        Window { newest, words: [0; (SPAN / WORD) as usize] }
    }

    /// The newest number.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// Whether a number is marked; `None`: it is too old to tell. What is newer than the newest is not.
    pub fn is_marked(&self, number: u64) -> Option<bool> {
        match self.newest.checked_sub(number) {
            None => Some(false),
            Some(behind) if behind < SPAN => Some(self.word(number) & bit(number) != 0),
            Some(_) => None,
        }
    }

    /// Marks a number, which becomes the newest if it is newer than that. One that is too old changes nothing.
    pub fn mark(&mut self, number: u64) {
        self.advance(number);
        if self.newest - number < SPAN {
            self.set(number, true);
        }
    }

    /// Goes on to a number, if it is newer than the newest: nothing is marked between the two, nor is it itself.
    pub fn advance(&mut self, number: u64) {
        let Some(ahead) = number.checked_sub(self.newest) else { return };
        if ahead >= SPAN {
            self.words = [0; (SPAN / WORD) as usize];
        } else {
            (self.newest + 1..=number).for_each(|new| self.set(new, false));
        }
        self.newest = number;
    }

    /// How many numbers are marked that are newer than this one.
    pub fn marked_after(&self, number: u64) -> u64 {
        let behind = self.newest.saturating_sub(number).min(SPAN);
        (0..behind).filter(|n| self.word(self.newest - n) & bit(self.newest - n) != 0).count() as u64
    }

    fn word(&self, number: u64) -> u64 {
        self.words.get(place(number)).copied().unwrap_or(0)
    }

    fn set(&mut self, number: u64, marked: bool) {
        if let Some(word) = self.words.get_mut(place(number)) {
            *word = if marked { *word | bit(number) } else { *word & !bit(number) };
        }
    }
}

fn place(number: u64) -> usize {
    (number / WORD % (SPAN / WORD)) as usize
}

fn bit(number: u64) -> u64 {
    1 << (number % WORD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_kept_as_far_as_the_window_reaches_and_no_farther() {
        let mut window = Window::new(5000);
        assert_eq!(window.is_marked(5000), Some(false));
        window.mark(5000);
        window.mark(4990);
        window.mark(5000 + SPAN - 1);
        assert_eq!([5000, 5001, 5000 + SPAN - 1].map(|n| window.is_marked(n)), [Some(true), Some(false), Some(true)]);
        assert_eq!(window.is_marked(4999), None);
        window.advance(5000 + SPAN);
        assert_eq!(window.is_marked(5000), None);
        assert_eq!(window.is_marked(5000 + SPAN), Some(false), "in the place of 5000");
        window.mark(5000);
        assert_eq!(window.is_marked(5000 + SPAN), Some(false), "what is too old changes nothing");
        window.advance(5000 + 3 * SPAN);
        assert_eq!(window.marked_after(0), 0);
    }

    #[test]
    fn what_is_marked_after_a_number_is_counted_across_the_words() {
        let mut window = Window::new(100);
        [60, 63, 64, 65, 127, 128, 129].into_iter().for_each(|number| window.mark(number));
        assert_eq!([59, 60, 64, 128, 129, 500].map(|n| window.marked_after(n)), [7, 6, 4, 1, 0, 0]);
    }
}
