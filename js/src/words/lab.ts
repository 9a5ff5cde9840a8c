/**
 * What JupyterLab says for us, in its menus, dialogs and notifications: a table of its own, because it is there before the
 * front end is loaded. The language is JupyterLab's, as the page has it when something is said.
 */

const en = {
  category: 'Chats',
  chats: 'Chats',
  chat: 'Chat',
  showPanel: 'Chats',
  newChat: 'New Chat',
  openUsual: 'Open Chat',
  openNotebook: 'Open in Its Notebook',
  openMain: 'Open as a Tab',
  openPage: 'Open as a Page',
  rename: 'Rename…',
  mute: 'Mute',
  unmute: 'Unmute',
  delete: 'Delete…',
  renameTitle: 'Rename the Chat',
  renameDoes: 'Rename',
  deleteTitle: 'Delete the Chat?',
  deleteText: (chat: string) => `“${chat}” is deleted for everybody, with all its answers. An answer that is coming is stopped.`,
  deleteDoes: 'Delete',
  notDone: (why: string) => `That could not be done. ${why}`,
  notLoaded: 'The chats could not be loaded from this server. Reload the page.',
  notebookGone: (path: string) => `The notebook ${path} is not there any more. The chat is.`,
  notShown: (path: string) => `No cell of ${path} shows this chat.`,
  openHere: 'Open the Chat',
  notSaved: (notebook: string) => `${notebook} is not saved with its chat yet. After a reload it would not be there to see.`,
  save: 'Save',
  notThis: 'Not for This Notebook',
}

type LabWords = typeof en

const de: LabWords = {
  category: 'Chats',
  chats: 'Chats',
  chat: 'Chat',
  showPanel: 'Chats',
  newChat: 'Neuer Chat',
  openUsual: 'Chat öffnen',
  openNotebook: 'Im Notebook öffnen',
  openMain: 'Als Tab öffnen',
  openPage: 'Als Seite öffnen',
  rename: 'Umbenennen …',
  mute: 'Stummschalten',
  unmute: 'Nicht mehr stumm',
  delete: 'Löschen …',
  renameTitle: 'Chat umbenennen',
  renameDoes: 'Umbenennen',
  deleteTitle: 'Chat löschen?',
  deleteText: (chat) => `„${chat}“ wird für alle gelöscht, mit allen Antworten. Eine Antwort, die gerade kommt, wird gestoppt.`,
  deleteDoes: 'Löschen',
  notDone: (why) => `Das hat nicht geklappt. ${why}`,
  notLoaded: 'Die Chats ließen sich von diesem Server nicht laden. Seite neu laden.',
  notebookGone: (path) => `Das Notebook ${path} gibt es nicht mehr. Den Chat schon.`,
  notShown: (path) => `Keine Zelle von ${path} zeigt diesen Chat.`,
  openHere: 'Chat öffnen',
  notSaved: (notebook) => `${notebook} ist noch nicht mit dem Chat gespeichert. Nach einem Neuladen wäre er dort nicht zu sehen.`,
  save: 'Speichern',
  notThis: 'Nicht für dieses Notebook',
}

export const tables = { en, de }

export function labWords(): LabWords {
  const [tongue = ''] = document.documentElement.lang.toLowerCase().split('-')
  return tongue === 'de' ? de : en
}
