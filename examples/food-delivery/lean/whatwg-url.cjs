// The SDK's fetch brings a URL parser with all of Unicode; Node has one.
exports.URL = URL;
exports.URLSearchParams = URLSearchParams;
