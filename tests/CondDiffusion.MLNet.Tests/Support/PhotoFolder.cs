namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>A folder of small photos: cats in shades of red, and dogs in shades of blue.</summary>
internal static class PhotoFolder
{
    /// <summary>Draws photos of 12 x 10 pixels, each with a directory for its label.</summary>
    public static void Draw(string path, int cats, int dogs)
    {
        for (var i = 0; i < cats; i++) Save("cat", i, red: 250, blue: 20);
        for (var i = 0; i < dogs; i++) Save("dog", i, red: 20, blue: 250);

        void Save(string label, int number, byte red, byte blue)
        {
            var directory = Directory.CreateDirectory(Path.Combine(path, label)).FullName;
            using var image = TestImages.Plain(12, 10, red, (byte)(10 * number), blue);
            image.Save(Path.Combine(directory, $"{number}.png"));
        }
    }
}
