package naming

// Step is something that happened to a name on its way.
type Step struct {
	// Stage is deny, allow, pre, tags or post, or name where the name itself is refused.
	Stage   string
	File    string // where the rule or pattern stands; empty: none is responsible
	Line    int    // in File, from 1
	Text    string // the rule or pattern as written, or what is wrong with the tags
	Name    []byte // what the name is now; nil if it was dropped
	Dropped Reason
}

const (
	stageName  = "name"
	stageDeny  = "deny"
	stageAllow = "allow"
	stageTags  = "tags"
)

// Explain returns what Decide returns, and every step that led to it: one for each rule that changed the name, the
// pattern that let it in or denied it, normalising where it changed something or failed.
func (p *Policy) Explain(name []byte, s *Scratch) (Decision, []Step) {
	var steps []Step
	d := p.decide(name, s, func(step Step) { steps = append(steps, step) })
	return d, steps
}

// ExplainPost does the same for Post.
func (p *Policy) ExplainPost(name []byte, s *Scratch) (Decision, []Step) {
	var steps []Step
	d := p.leave(name, s, func(step Step) { steps = append(steps, step) })
	return d, steps
}

// report gives a step with a name of its own to trace.
func report(trace func(Step), step Step) {
	if trace != nil {
		step.Name = append([]byte(nil), step.Name...)
		trace(step)
	}
}

func drop(stage string, why Reason, trace func(Step)) Decision {
	report(trace, Step{Stage: stage, Dropped: why})
	return Decision{Dropped: why}
}
