package fork

import "fringe"

// Everything lets forks run other programs than Python's too, with a variable
// that differs from call to call.
func (s *Server) Everything(which func(fringe.Spec) bool, variable string) {
	s.everything, s.alsoPerCall = which, variable
}
