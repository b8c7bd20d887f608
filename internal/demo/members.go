package demo

import (
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"strings"
)

// The people of a simulated election. None of them exists: addresses end in
// .example, a name that no mail system delivers to (RFC 2606).
var (
	firstNames = strings.Fields(`Adaeze Aisha Alejandra Amara Ana Andrea Anh Arjun Beatriz Benjamin Camila Carlos
		Chen Dalia Daniel David Deepa Diego Elena Elif Emily Esther Farid Fatima Gabriel Grace Hana Hannah Hiro
		Ines Isaac Ivan Jamal James Jasmine Jin Joanna José Josephine Kai Karim Keiko Kenji Kwame Laila Leila Lina
		Linh Lucía Luis Malik Maria Mariam Mateo Maya Mei Miguel Mina Minh Nadia Naomi Nia Noah Nora Olga Oscar
		Patience Paul Priya Quang Rachel Rafael Ravi Rosa Ruth Sam Sana Santiago Sofía Sunita Tala Tariq Teresa
		Thanh Tomás Uche Valentina Vikram Wei Xin Yara Yusuf Zoe`)
	lastNames = strings.Fields(`Abara Ahmed Alvarez Andersen Aquino Baker Banerjee Bautista Begum Bello Brown
		Castillo Chan Chavez Chen Cho Cohen Cruz Dang Das Delgado Diaz Diop Edwards Espinoza Farah Fernandez
		Flores Fraser García Gomez Green Gupta Gutierrez Haddad Han Hernandez Ho Hoang Huang Hussein Ibrahim
		Iyer Jackson Jensen Johnson Kang Kaur Khan Kim Kowalski Kumar Lam Le Lee Levy Li Lin Lopez Ma Mahmoud
		Martinez Mendoza Mensah Miller Mohamed Morales Moreno Murphy Nakamura Nguyen Novak Núñez O’Brien Okafor
		Okonkwo Ortiz Osei Park Patel Pham Phan Ramirez Rao Reyes Rivera Robinson Rojas Ruiz Sanchez Santos Sato
		Shah Silva Singh Smith Soto Suzuki Tan Tanaka Thomas Torres Tran Truong Vargas Vasquez Vo Wang Watanabe
		White Williams Wong Wu Yamamoto Yang Yilmaz Zhang Zhao`)
	campuses = []string{"Alder Bay", "Birch Valley", "Cedar Heights", "Elm Harbor", "Juniper Mesa",
		"Laurel Coast", "Magnolia Park", "Oak River", "Redwood Hills", "Sycamore Plains"}
	worksites = []string{"Medical Center", "Cancer Institute", "Laboratory Building", "Engineering Hall",
		"Data Center", "Children’s Hospital", "Library", "Field Station"}
	titles = map[string][]string{
		"HX": {"Clinical Laboratory Scientist", "Pharmacist", "Physical Therapist", "Social Worker", "Speech Pathologist"},
		"RX": {"Research Associate", "Staff Research Associate", "Lab Manager", "Data Analyst"},
		"TX": {"Systems Administrator", "Programmer Analyst", "Instrument Technician", "Network Engineer"},
	}
	groupShare = []struct {
		name  string
		share float64
	}{{"HX", 0.45}, {"RX", 0.30}, {"TX", 0.25}}
)

// simulatedRoll writes a roll file of n members, drawn from the seed. It is
// read back by the same import as any other roll.
func simulatedRoll(n int, random *rand.Rand) ([]byte, error) {
	var b strings.Builder
	w := csv.NewWriter(&b)
	if err := w.Write([]string{"Employee ID", "Name", "E-mail", "Bargaining Unit", "Campus", "Worksite", "Title", "Language"}); err != nil {
		return nil, err
	}
	for i := range n {
		if err := w.Write(simulatedMember(i, n, random)); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return []byte(b.String()), w.Error()
}

func simulatedMember(i, n int, random *rand.Rand) []string {
	pick := func(list []string) string { return list[random.IntN(len(list))] }
	first, last := pick(firstNames), pick(lastNames)
	// By position rather than by chance, so that every group of a small demo
	// has its share.
	unit, at := groupShare[len(groupShare)-1].name, float64(i)/float64(n)
	for _, g := range groupShare {
		if at < g.share {
			unit = g.name
			break
		}
		at -= g.share
	}
	return []string{
		memberNumber(i), first + " " + last, fmt.Sprintf("member%06d@mail.example", i+1), unit,
		pick(campuses), pick(worksites), pick(titles[unit]), "en",
	}
}

func memberNumber(i int) string { return fmt.Sprintf("%06d", 100_001+i) }
