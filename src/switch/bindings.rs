//! Who can be rung where.

use std::collections::HashMap;

use crate::base::AdapterId;
use crate::model::Binding;

/// The most devices of one user that ring at once; those that signed in last come first.
pub const MOST_DEVICES: usize = 16;

/// The devices of all users.
#[derive(Debug, Default)]
pub struct Bindings {
    by_user: HashMap<String, Vec<Binding>>,
}

impl Bindings {
    /// A device can be rung; of those of the same preference the latest known is the first to go to.
    pub fn bind(&mut self, binding: Binding) {
        let devices = self.by_user.entry(binding.user.clone()).or_default();
        devices.retain(|known| !known.is_of_device(&binding));
        // Most users have one device.
        devices.reserve_exact(1);
        devices.insert(0, binding);
        devices.truncate(MOST_DEVICES);
    }

    /// A device is gone.
    pub fn unbind(&mut self, binding: &Binding) {
        if let Some(devices) = self.by_user.get_mut(&binding.user) {
            devices.retain(|known| !known.is_of_device(binding));
            if devices.is_empty() {
                self.by_user.remove(&binding.user);
            }
        }
    }

    /// How many devices there are of an adapter.
    pub fn of_adapter(&self, adapter: AdapterId) -> usize {
        self.by_user.values().flatten().filter(|device| device.adapter == adapter).count()
    }

    /// The devices of a user.
    pub fn of(&self, user: &str) -> &[Binding] {
        self.by_user.get(user).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::AdapterId;
    use crate::model::{Contact, PREFERRED};

    fn device(contact: &str) -> Binding {
        let contact = Contact(contact.into());
        Binding { user: "alice".into(), adapter: AdapterId(1), contact, preference: PREFERRED }
    }

    #[test]
    fn a_device_is_there_once_however_often_it_signs_in_and_gone_when_it_signs_out() {
        let mut bindings = Bindings::default();
        for contact in ["a", "b", "a"] {
            bindings.bind(device(contact));
        }
        assert_eq!(bindings.of("alice"), [device("a"), device("b")]);
        let later = Binding { preference: 500, ..device("a") };
        bindings.bind(later.clone());
        assert_eq!(bindings.of("alice"), [later, device("b")], "the same device, with another preference");
        bindings.unbind(&device("a"));
        bindings.unbind(&device("b"));
        assert!(bindings.of("alice").is_empty() && bindings.by_user.is_empty());
    }
}
