using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;

// The task of Publicize.targets. Inline tasks compile against netstandard 2.0, which has no System.Reflection.Metadata,
// hence the small reader below.
public sealed class PublicizeReferences : Task
{
    [Required] public ITaskItem[] References { get; set; }
    [Required] public ITaskItem[] Publicize { get; set; }
    [Required] public string OutputDirectory { get; set; }
    [Output] public ITaskItem[] Originals { get; set; }
    [Output] public ITaskItem[] Copies { get; set; }

    public override bool Execute()
    {
        var originals = new List<ITaskItem>();
        var copies = new List<ITaskItem>();
        Directory.CreateDirectory(OutputDirectory);

        foreach (var request in Publicize)
        {
            var original = References.FirstOrDefault(
                r => r.GetMetadata("Filename").Equals(request.ItemSpec, StringComparison.OrdinalIgnoreCase));
            if (original == null)
            {
                Log.LogError("Publicize: there is no reference named '{0}'.", request.ItemSpec);
                continue;
            }

            var image = File.ReadAllBytes(original.ItemSpec);
            var types = request.GetMetadata("Types").Split(';').Select(t => t.Trim()).Where(t => t.Length > 0).ToList();
            var opened = new MetadataTables(image).Open(new HashSet<string>(types));
            foreach (var type in types.Where(t => !opened.Contains(t)))
                Log.LogError("Publicize: {0} has no type '{1}'.", request.ItemSpec, type);

            // An unchanged copy keeps its timestamp, so that incremental builds stay incremental.
            var path = Path.Combine(OutputDirectory, Path.GetFileName(original.ItemSpec));
            if (!File.Exists(path) || !File.ReadAllBytes(path).SequenceEqual(image))
                File.WriteAllBytes(path, image);

            var copy = new TaskItem(path);
            original.CopyMetadataTo(copy);
            originals.Add(original);
            copies.Add(copy);
        }

        Originals = originals.ToArray();
        Copies = copies.ToArray();
        return !Log.HasLoggedErrors;
    }
}

// Reads as much of the metadata tables (ECMA-335, II.22 and II.24) as it takes to find the visibility flags of types,
// fields and methods.
internal sealed class MetadataTables
{
    private const int TypeDef = 0x02, FieldPtr = 0x03, Field = 0x04, MethodPtr = 0x05, MethodDef = 0x06, Param = 0x08;

    private readonly byte[] _image;
    private readonly int[] _rows = new int[64], _start = new int[Param], _rowSize;
    private readonly int _strings, _stringIndex;

    public MetadataTables(byte[] image)
    {
        _image = image;
        var streams = Streams();
        _strings = streams["#Strings"];

        var tables = streams["#~"];
        var present = BitConverter.ToUInt64(image, tables + 8);
        var at = tables + 24;
        for (var table = 0; table < 64; table++, present >>= 1)
        {
            if ((present & 1) == 0)
                continue;
            _rows[table] = Int32(at);
            at += 4;
        }
        if (_rows[FieldPtr] > 0 || _rows[MethodPtr] > 0)
            throw new BadImageFormatException("The indirection tables of edit-and-continue are not supported.");

        var heapSizes = image[tables + 6];
        _stringIndex = (heapSizes & 1) != 0 ? 4 : 2;
        var guidIndex = (heapSizes & 2) != 0 ? 4 : 2;
        var blobIndex = (heapSizes & 4) != 0 ? 4 : 2;
        _rowSize = new[]
        {
            2 + _stringIndex + 3 * guidIndex,                                                           // Module
            CodedIndex(0x00, 0x1A, 0x23, 0x01) + 2 * _stringIndex,                                      // TypeRef
            4 + 2 * _stringIndex + CodedIndex(TypeDef, 0x01, 0x1B) + Index(Field) + Index(MethodDef),   // TypeDef
            Index(Field),                                                                               // FieldPtr
            2 + _stringIndex + blobIndex,                                                               // Field
            Index(MethodDef),                                                                           // MethodPtr
            8 + _stringIndex + blobIndex + Index(Param),                                                // MethodDef
        };
        for (var table = 0; table < _rowSize.Length; table++)
        {
            _start[table] = at;
            at += _rows[table] * _rowSize[table];
        }
    }

    // Opens the named types with their fields and methods, except private ones. Returns the names that were found.
    public HashSet<string> Open(HashSet<string> names)
    {
        var found = new HashSet<string>();
        for (var row = 0; row < _rows[TypeDef]; row++)
        {
            var type = Row(TypeDef, row);
            var name = (String(type + 4 + _stringIndex) + "." + String(type + 4)).TrimStart('.');
            if (!names.Contains(name))
                continue;

            found.Add(name);
            var visibility = _image[type] & 7;
            if (visibility == 0)
                SetVisibility(type, 1);                                         // internal -> public
            else if (visibility > 3)
                SetVisibility(type, 2);                                         // nested, not private -> nested public

            // A type owns its fields and methods up to the first one of the next type.
            var fields = type + _rowSize[TypeDef] - Index(Field) - Index(MethodDef);
            OpenMembers(Field, row, fields, flags: 0);
            OpenMembers(MethodDef, row, fields + Index(Field), flags: 6);
        }
        return found;
    }

    private void OpenMembers(int table, int typeRow, int list, int flags)
    {
        var last = typeRow == _rows[TypeDef] - 1;
        var end = last ? _rows[table] : Number(list + _rowSize[TypeDef], Index(table)) - 1;
        for (var row = Number(list, Index(table)) - 1; row < end; row++)
        {
            var member = Row(table, row) + flags;
            var visibility = _image[member] & 7;
            if (visibility == 3)
                SetVisibility(member, 6);                                       // internal -> public
            else if (visibility == 2)
                SetVisibility(member, 4);                                       // private protected -> protected
        }
    }

    private void SetVisibility(int flags, int visibility) => _image[flags] = (byte)(_image[flags] & ~7 | visibility);

    // Name and file offset of each metadata stream.
    private Dictionary<string, int> Streams()
    {
        var coffHeader = Int32(0x3C) + 4;
        var optionalHeader = coffHeader + 20;
        var directories = optionalHeader + (UInt16(optionalHeader) == 0x20B ? 112 : 96);
        var cliHeader = FileOffset(Int32(directories + 14 * 8), coffHeader);
        var root = FileOffset(Int32(cliHeader + 8), coffHeader);

        var streams = new Dictionary<string, int>();
        var at = root + 16 + Int32(root + 12);
        var count = UInt16(at + 2);
        at += 4;
        for (var i = 0; i < count; i++)
        {
            var name = Text(at + 8);
            streams.Add(name, root + Int32(at));
            at += 8 + (name.Length + 4) / 4 * 4;                                // zero-terminated, padded to four bytes
        }
        return streams;
    }

    private int FileOffset(int address, int coffHeader)
    {
        var section = coffHeader + 20 + UInt16(coffHeader + 16);
        for (var i = 0; i < UInt16(coffHeader + 2); i++, section += 40)
        {
            var offset = address - Int32(section + 12);
            if (offset >= 0 && offset < Int32(section + 16))
                return Int32(section + 20) + offset;
        }
        throw new BadImageFormatException();
    }

    private int Row(int table, int row) => _start[table] + row * _rowSize[table];
    private int Index(int table) => _rows[table] > 0xFFFF ? 4 : 2;

    // Both kinds of coded index that are used here spend two bits on the table.
    private int CodedIndex(params int[] tables) => tables.Max(t => _rows[t]) >= 1 << 14 ? 4 : 2;

    private string String(int at) => Text(_strings + Number(at, _stringIndex));
    private string Text(int at) => Encoding.UTF8.GetString(_image, at, Array.IndexOf(_image, (byte)0, at) - at);
    private int Number(int at, int size) => size == 4 ? Int32(at) : UInt16(at);
    private int Int32(int at) => BitConverter.ToInt32(_image, at);
    private int UInt16(int at) => BitConverter.ToUInt16(_image, at);
}
