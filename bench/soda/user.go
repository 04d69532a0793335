package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// pages hold the bodies of answers while they are read, for all users: one who
// waits for an answer needs none.
var pages = sync.Pool{New: func() any { b := make([]byte, answer+1); return &b }}

// user asks for cutouts over a connection of its own, which it keeps. It speaks
// as much of HTTP/1.1 as that needs, so that what the users cost is small
// beside what the site does, on the processors that they share.
type user struct {
	host, token string
	conn        net.Conn
	random      *rand.Rand
	out         []byte
	head        [2048]byte
}

// ask gets one cutout at a place of its own, and says how often it was refused.
func (u *user) ask(ctx context.Context) (refused int, err error) {
	x, y := (u.random.Float64()*2-1)*reach, (u.random.Float64()*2-1)*reach
	b := append(u.out[:0], "GET /ska/datasets/soda/sync?ID="+url.QueryEscape(dataset)+"&CIRCLE="...)
	for i, v := range [3]float64{180 + x*scale/3600/math.Cos(math.Pi/6), 30 + y*scale/3600, radius * scale / 3600} {
		if i > 0 {
			b = append(b, '+')
		}
		b = strconv.AppendFloat(b, v, 'f', 7, 64)
	}
	b = append(b, " HTTP/1.1\r\nHost: "+u.host+"\r\nAuthorization: Bearer "+u.token+"\r\n\r\n"...)
	for u.out = b; ; refused++ {
		wait, err := u.once()
		if wait == 0 || err != nil {
			return refused, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return refused, fmt.Errorf("the site stayed full: %w", ctx.Err())
		}
	}
}

// once makes one request; wait is how long to wait when the site is full.
func (u *user) once() (wait time.Duration, err error) {
	if u.conn == nil {
		if u.conn, err = net.Dial("tcp", u.host); err != nil {
			return 0, err
		}
	}
	defer func() {
		if err != nil {
			u.leave()
		}
	}()
	u.conn.SetDeadline(time.Now().Add(patience))
	if _, err := u.conn.Write(u.out); err != nil {
		return 0, err
	}
	end, n := -1, 0
	for end < 0 {
		if n == len(u.head) {
			return 0, errors.New("the head of the answer is too long")
		}
		m, err := u.conn.Read(u.head[n:])
		if err != nil {
			return 0, fmt.Errorf("no answer: %w", err)
		}
		n += m
		end = bytes.Index(u.head[:n], []byte("\r\n\r\n"))
	}
	h, begin := u.head[:end+2], u.head[end+4:n]
	length, err := strconv.Atoi(field(h, "Content-Length"))
	if err != nil || length > answer || len(begin) > length {
		return 0, fmt.Errorf("an answer of the length %q", field(h, "Content-Length"))
	}
	page := pages.Get().(*[]byte)
	defer pages.Put(page)
	body := (*page)[:length]
	if _, err := io.ReadFull(u.conn, body[copy(body, begin):]); err != nil {
		return 0, fmt.Errorf("the answer is cut short: %w", err)
	}
	status := string(h[:min(len(h), len("HTTP/1.1 200"))])
	switch {
	case status == "HTTP/1.1 429":
		seconds, err := strconv.Atoi(field(h, "Retry-After"))
		if err != nil || seconds < 1 {
			return 0, errors.New("429 without a Retry-After")
		}
		return time.Duration(seconds) * time.Second, nil
	case status != "HTTP/1.1 200":
		return 0, fmt.Errorf("%s: %.200s", status, body)
	case length != answer || string(body[:6]) != "SIMPLE":
		return 0, fmt.Errorf("the cutout has %d bytes, want %d", length, answer)
	}
	return 0, nil
}

// leave closes the connection.
func (u *user) leave() {
	if u.conn != nil {
		u.conn.Close()
		u.conn = nil
	}
}

// field gives the value of a header; empty when it is not there.
func field(head []byte, name string) string {
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		if key, value, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(key, []byte(name)) {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}
