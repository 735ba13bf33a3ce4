// SPDX-License-Identifier: Apache-2.0
/*
 * Two processes that talk by every means of System V and POSIX IPC. "owner" makes all of them, says "ready", waits for
 * its peer by each, and prints a line for each: its name and what came, or an error as a word ("ENOENT"). "peer" uses
 * what is there and prints the same of what it found; "drop" removes what is left. "listen" and "call"
 * are two more that send each other a text through a socket, which the name is a path of. Static, so that it runs in
 * any image.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ROOM = 64, MODE = 0666 };

static bool is_owner;
static key_t key;
static const char *name;

typedef struct Letter {
	long type;
	char text[ROOM];
} Letter;

static const char *const from_owner = "from the owner", *const from_peer = "from the peer";

/* ---- what is shared: of the peer, NULL when it is not there. Each is made by the owner before it is ready ---- */

static char *sysv_memory(void)
{
	int id = shmget(key, ROOM, is_owner ? IPC_CREAT | IPC_EXCL | MODE : 0);
	char *at = id < 0 ? NULL : shmat(id, NULL, 0);

	if (is_owner && at)
		strcpy(at, from_owner);
	return at == (char *)-1 ? NULL : at;
}

static char *posix_memory(void)
{
	int fd = shm_open(name, is_owner ? O_RDWR | O_CREAT | O_EXCL : O_RDWR, MODE);

	if (fd < 0 || (is_owner && ftruncate(fd, ROOM) < 0))
		return NULL;
	char *at = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (is_owner && at != MAP_FAILED)
		strcpy(at, from_owner);
	return at == MAP_FAILED ? NULL : at;
}

typedef union SemaphoreArgument {
	int value;
} SemaphoreArgument;

static int sysv_semaphore(void)
{
	int id = semget(key, 1, is_owner ? IPC_CREAT | IPC_EXCL | MODE : 0);

	if (id >= 0 && is_owner)
		semctl(id, 0, SETVAL, (SemaphoreArgument){0});
	return id;
}

static int sysv_queue(void)
{
	return msgget(key, is_owner ? IPC_CREAT | IPC_EXCL | MODE : 0);
}

static mqd_t posix_queue(void)
{
	struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = ROOM};

	return is_owner ? mq_open(name, O_RDWR | O_CREAT | O_EXCL, MODE, &attributes) : mq_open(name, O_RDWR);
}

static sem_t *posix_semaphore(void)
{
	sem_t *semaphore = is_owner ? sem_open(name, O_CREAT | O_EXCL, MODE, 0) : sem_open(name, 0);

	return semaphore == SEM_FAILED ? NULL : semaphore;
}

/* ---- what passes ---- */

static void tell(const char *what, const char *text)
{
	printf("%s: %s\n", what, text ? text : strerrorname_np(errno));
}

static const char *pass_sysv_semaphore(int id)
{
	struct sembuf operation = {.sem_op = is_owner ? -1 : 1};

	return id >= 0 && semop(id, &operation, 1) == 0 ? "passed" : NULL;
}

static const char *pass_posix_semaphore(sem_t *semaphore)
{
	return semaphore && (is_owner ? sem_wait(semaphore) : sem_post(semaphore)) == 0 ? "passed" : NULL;
}

static const char *pass_sysv_message(int id, Letter *letter)
{
	strcpy(letter->text, from_peer);
	if (id < 0)
		return NULL;
	if (is_owner)
		return msgrcv(id, letter, ROOM, 1, 0) < 0 ? NULL : letter->text;
	return msgsnd(id, letter, ROOM, 0) < 0 ? NULL : letter->text;
}

static const char *pass_posix_message(mqd_t queue, char text[ROOM])
{
	strcpy(text, from_peer);
	if (queue < 0)
		return NULL;
	return (is_owner ? mq_receive(queue, text, ROOM, NULL) >= 0 : mq_send(queue, text, ROOM, 0) == 0) ? text : NULL;
}

/* The peer reads before it writes; the owner looks when a semaphore has passed. */
static void tell_memory(const char *what, char *at)
{
	char found[ROOM] = "";

	if (at)
		memcpy(found, at, ROOM - 1);
	tell(what, at ? found : NULL);
	if (at && !is_owner)
		strcpy(at, from_peer);
}

static int own(void)
{
	char *memory = sysv_memory(), *posix = posix_memory(), text[ROOM];
	int semaphore = sysv_semaphore(), queue = sysv_queue();
	mqd_t letters = posix_queue();
	sem_t *other = posix_semaphore();
	Letter letter = {.type = 1};

	puts("ready");
	tell("System V messages", pass_sysv_message(queue, &letter));
	tell("POSIX messages", pass_posix_message(letters, text));
	tell("System V semaphore", pass_sysv_semaphore(semaphore));
	tell("POSIX semaphore", pass_posix_semaphore(other));
	tell_memory("System V memory", memory);
	tell_memory("POSIX memory", posix);
	return 0;
}

static int use(void)
{
	char text[ROOM];
	Letter letter = {.type = 1};

	tell_memory("System V memory", sysv_memory());
	tell_memory("POSIX memory", posix_memory());
	tell("System V messages", pass_sysv_message(sysv_queue(), &letter));
	tell("POSIX messages", pass_posix_message(posix_queue(), text));
	tell("System V semaphore", pass_sysv_semaphore(sysv_semaphore()));
	tell("POSIX semaphore", pass_posix_semaphore(posix_semaphore()));
	return 0;
}

/* What is left of it in the host's namespace, by whoever made it. */
static int drop(void)
{
	shmctl(shmget(key, 0, 0), IPC_RMID, NULL);
	semctl(semget(key, 0, 0), 0, IPC_RMID);
	msgctl(msgget(key, 0), IPC_RMID, NULL);
	shm_unlink(name);
	sem_unlink(name);
	mq_unlink(name);
	return 0;
}

/* ---- sockets ---- */

static int talk(int socket, const char *text)
{
	char found[ROOM] = "";

	if (socket < 0 || write(socket, text, strlen(text) + 1) < 0 || read(socket, found, ROOM - 1) <= 0) {
		tell("socket", NULL);
		return 1;
	}
	tell("socket", found);
	return 0;
}

static int open_socket(struct sockaddr_un *ret_address)
{
	*ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(ret_address->sun_path, sizeof(ret_address->sun_path), "%s", name);
	return socket(AF_UNIX, SOCK_SEQPACKET, 0);
}

static int listen_and_talk(void)
{
	struct sockaddr_un address;
	int socket = open_socket(&address);

	if (bind(socket, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(socket, 1) < 0) {
		tell("socket", NULL);
		return 1;
	}
	puts("ready");
	return talk(accept(socket, NULL, NULL), from_owner);
}

static int call(void)
{
	struct sockaddr_un address;
	int socket = open_socket(&address);

	if (connect(socket, (struct sockaddr *)&address, sizeof(address)) < 0) {
		tell("socket", NULL);
		return 1;
	}
	return talk(socket, from_peer);
}

static const struct {
	const char *word;
	int (*run)(void);
} words[] = {{"owner", own}, {"peer", use}, {"drop", drop}, {"listen", listen_and_talk}, {"call", call}};

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	is_owner = strcmp(argv[1], "owner") == 0;
	key = atoi(argv[2]);
	name = argv[3];
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(argv[1], words[i].word) == 0)
			return words[i].run();
	return 2;
}
