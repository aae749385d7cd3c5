package measurements

import "strings"

// agents are product tokens of the header User-Agent, in lower case.
type agents map[string]bool

func newAgents(tokens []string) agents {
	a := agents{}
	for _, t := range tokens {
		a[strings.ToLower(t)] = true
	}
	return a
}

// aggregate reports whether one of the products that a client names is among them.
// What stands in parentheses is a comment.
func (a agents) aggregate(agent string) bool {
	for agent != "" {
		i := strings.IndexAny(agent, " \t(")
		token := agent
		if i >= 0 {
			token = agent[:i]
		}
		product, _, _ := strings.Cut(token, "/")
		switch {
		case a[strings.ToLower(product)]:
			return true
		case i < 0:
			return false
		case agent[i] == '(':
			agent = behindComment(agent[i:])
		default:
			agent = agent[i+1:]
		}
	}
	return false
}

// behindComment returns what follows a comment, which may have others inside.
func behindComment(text string) string {
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return text[i+1:]
			}
		}
	}
	return ""
}
