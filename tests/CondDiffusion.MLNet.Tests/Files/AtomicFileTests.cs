using CondDiffusion.MLNet.Files;
using CondDiffusion.MLNet.Tests.Support;

namespace CondDiffusion.MLNet.Tests.Files;

[TestClass]
public sealed class AtomicFileTests
{
    [TestMethod]
    public void Write_ExistingFile_ReplacesItOnlyWhenTheNewOneIsComplete()
    {
        using var directory = new TemporaryDirectory();
        var path = directory.File("name.txt");
        var temporary = directory.File("temporary");
        File.WriteAllText(path, "old");

        var written = AtomicFile.Write(temporary, () =>
        {
            File.WriteAllText(temporary, "new");
            Assert.AreEqual("old", File.ReadAllText(path));
            return path;
        });

        Assert.AreEqual(path, written);
        Assert.AreEqual("new", File.ReadAllText(path));
        Assert.AreSequenceEqual([path], Directory.GetFiles(directory.Path));
    }

    [TestMethod]
    public void Write_FileThatMustNotBeReplaced_IsKept()
    {
        using var directory = new TemporaryDirectory();
        var path = directory.File("name.txt");

        AtomicFile.Write(path, replace: false, temporary =>
        {
            Assert.AreEqual(directory.Path, Path.GetDirectoryName(temporary));
            Assert.StartsWith(".", Path.GetFileName(temporary));
            Assert.EndsWith(".txt", temporary);
            File.WriteAllText(temporary, "old");
        });
        Throws.Saying<IOException>(
            () => AtomicFile.Write(path, replace: false, temporary => File.WriteAllText(temporary, "new")), path);
        Assert.AreEqual("old", File.ReadAllText(path));

        AtomicFile.Write(path, replace: true, temporary => File.WriteAllText(temporary, "new"));
        Assert.AreEqual("new", File.ReadAllText(path));
        Assert.AreSequenceEqual([path], Directory.GetFiles(directory.Path));
    }

    [TestMethod]
    public void Write_WritingFails_KeepsTheOldFileAndLeavesNothingElse()
    {
        using var directory = new TemporaryDirectory();
        var path = directory.File("name.txt");
        var temporary = directory.File("temporary");
        File.WriteAllText(path, "old");

        Assert.ThrowsExactly<NotSupportedException>(() => AtomicFile.Write(temporary, () =>
        {
            File.WriteAllText(temporary, "half");
            throw new NotSupportedException();
        }));

        Assert.AreEqual("old", File.ReadAllText(path));
        Assert.AreSequenceEqual([path], Directory.GetFiles(directory.Path));
    }

    [TestMethod]
    public void Write_DirectoryGoneMeanwhile_ThrowsTheErrorOfTheWriting()
    {
        using var directory = new TemporaryDirectory();
        var temporary = directory.File("directory/temporary");
        Directory.CreateDirectory(directory.File("directory"));

        Assert.ThrowsExactly<NotSupportedException>(() => AtomicFile.Write(temporary, () =>
        {
            Directory.Delete(directory.File("directory"));
            throw new NotSupportedException();
        }));
    }

    /// <summary>A folder of many images would use up the handles that a process may have.</summary>
    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public void Write_File_LeavesNeitherItNorItsDirectoryOpen()
    {
        using var directory = new TemporaryDirectory();

        AtomicFile.Write(directory.File("name.txt"), replace: false, temporary => File.WriteAllText(temporary, "new"));

        Assert.AreEqual(0, OpenFiles.In(directory.Path));
    }

    [TestMethod]
    public void TrySyncDirectory_DirectoryOrNone_TellsWhetherItDid()
    {
        using var directory = new TemporaryDirectory();
        Assert.AreEqual(!OperatingSystem.IsWindows(), AtomicFile.TrySyncDirectory(directory.Path));
        Assert.IsFalse(AtomicFile.TrySyncDirectory(directory.File("none")));
    }
}
