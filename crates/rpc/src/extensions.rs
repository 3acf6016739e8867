use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Values of a call by their type: what the transport hands to the operations it knows, for example a connection's
/// subscriptions. Cloning shares the values.
#[derive(Clone, Default)]
pub struct Extensions(Option<Arc<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>>);

impl Extensions {
    /// Puts a value in, in place of the one of the same type.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        let map = Arc::make_mut(self.0.get_or_insert_default());
        map.insert(TypeId::of::<T>(), Arc::new(value));
    }

    /// The value of this type.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.0.as_ref()?.get(&TypeId::of::<T>())?.downcast_ref()
    }

    /// The value of this type, shared.
    pub fn get_shared<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.as_ref()?.get(&TypeId::of::<T>())?.clone().downcast().ok()
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Extensions({})", self.0.as_ref().map_or(0, |map| map.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_type_and_clones_do_not_see_later_ones() {
        let mut first = Extensions::default();
        assert_eq!(first.get::<u8>(), None);
        first.insert(7_u8);
        let second = first.clone();
        first.insert(8_u8);
        first.insert("text");
        assert_eq!((first.get::<u8>(), first.get::<&str>()), (Some(&8), Some(&"text")));
        assert_eq!((second.get::<u8>(), second.get::<&str>()), (Some(&7), None));
        assert_eq!(second.get_shared::<u8>().as_deref(), Some(&7));
    }
}
