package electiontest

import "strikevote/internal/protocol/election"

// Seven plans a real vote whose texts are in seven languages.
func Seven(p *Plan) {
	p.Real = true
	p.Languages = []string{"en", "es", "zh-hans", "zh-hant", "tl", "vi", "ko"}
	p.Change = func(m *election.Manifest) {
		m.Title = []string{"Strike authorization vote", "Votación para autorizar una huelga", "罢工授权投票", "罷工授權投票",
			"Botohan para sa awtoridad na mag-strike", "Bỏ phiếu ủy quyền đình công", "파업 권한 투표"}
		m.Questions[0].Text = []string{"Do you authorize the leadership to call a strike?", "¿Autoriza a la dirigencia a convocar una huelga?",
			"您是否授权领导层宣布罢工？", "您是否授權領導層宣布罷工？", "Binibigyan mo ba ng awtoridad ang pamunuan na magpatawag ng strike?",
			"Quý vị có ủy quyền cho ban lãnh đạo kêu gọi đình công không?", "지도부에 파업을 선언할 권한을 주겠습니까?"}
		for i, texts := range [][]string{{"Yes", "Sí", "赞成", "贊成", "Oo", "Có", "찬성"}, {"No", "No", "反对", "反對", "Hindi", "Không", "반대"},
			{"Abstain", "Abstención", "弃权", "棄權", "Abstain", "Phiếu trắng", "기권"}} {
			m.Questions[0].Options[i].Text = texts
		}
	}
}
