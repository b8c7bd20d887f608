// What the library uses and the oldest browsers do not have. Each export takes
// the place of the name it is exported under, wherever a script uses that name.

// Chrome has Object.hasOwn since 93, Safari since 15.4. The library asks it
// about its own options, and failure.js about what a service calls a fault.
const hasOwn = (object, key) => Object.prototype.hasOwnProperty.call(object, key);

export { hasOwn as "Object.hasOwn" };
