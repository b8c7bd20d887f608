package pages

// Markdown is what a page makes of a text.
func Markdown(source string) string { return string(new(view).Markdown(source, 2)) }
